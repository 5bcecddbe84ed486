"""Layer 3, Nền tảng: what every sector stands on: the sector contract and the running city."""
