"""Hostile bytes through every parser of capture, guided by coverage: `make fuzz`."""
