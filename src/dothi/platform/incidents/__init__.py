"""Incidents: what is wrong becomes somebody's work with a clock, from the first sign to the answer."""
