"""Measurements of the design's bounds: sizes and ratios, from this machine, in one run. `make bench`."""
