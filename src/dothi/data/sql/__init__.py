"""Questions in SQL about the city's record: what may be asked, by whom, and within which bounds (decision 0010)."""
