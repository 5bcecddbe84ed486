"""Layer 1, Hạ tầng: how the city is heard and commanded."""
