"""Desired against actual: what has to be written, and writing it."""
