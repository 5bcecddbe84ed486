"""Version 1 of the product's own API. A breaking change lives beside it, for a year."""
