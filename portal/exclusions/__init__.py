"""Exclusion rules: what a merchant keeps out of the catalogue though a source offers it. Excluded items stay, and keep being updated."""
