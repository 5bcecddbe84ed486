"""Đô Thị: the operating platform of a smart city. ARCHITECTURE.md draws the floors; each folder's first file says why."""

__version__ = "0.1.0"
