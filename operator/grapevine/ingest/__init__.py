"""The door for batches from capture: HTTP, limits, counters. Knows the wire, not what becomes of a batch."""
