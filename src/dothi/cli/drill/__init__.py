"""Drills: a real or invented day is played in a city of its own, by scripted or by real people, and scored."""
