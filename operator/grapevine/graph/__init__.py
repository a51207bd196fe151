"""The map in memory: who reaches what, seen by what, since when. Pure."""
