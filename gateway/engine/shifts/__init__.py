"""Spend shifts: what spend was to be expected, where it left that, and what of it is news."""
