"""Doors for machines: one file or folder per standard."""
