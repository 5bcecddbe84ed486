"""City packs: names, agencies, boundaries. Data, loaded by the composition root and passed in."""

from dothi.cities.load import load_city

__all__ = ["load_city"]
