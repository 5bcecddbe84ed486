"""Doors for people: operations, devices, public pages."""
