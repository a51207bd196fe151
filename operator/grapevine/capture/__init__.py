"""Hear DNS responses on a node or in a file and report them: standard library and dnslib, 18 MiB (DESIGN §5)."""
