"""Hear DNS responses on a node or in a file and report them: the standard library alone, 18 MiB (DESIGN §5)."""
