"""Model files to the one canonical graph."""
