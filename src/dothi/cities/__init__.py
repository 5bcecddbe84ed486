"""City packs: names, agencies, boundaries. Data, loaded by the composition root and passed in."""
