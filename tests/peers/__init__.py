"""Servers that others wrote, started from their own packages by `make peers`; each is skipped with a word where it is not."""
