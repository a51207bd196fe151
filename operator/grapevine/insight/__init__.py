"""What a person asks of the map: why an edge is there or is not, and what is not seen at all. Pure."""
