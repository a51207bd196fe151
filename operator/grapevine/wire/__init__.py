"""Capture ↔ operator protocol, sans-IO: bytes in, values out. See docs/reference/wire.md."""
