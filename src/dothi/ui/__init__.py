"""What pages are made of: layout, components, map and chart islands, translations."""
