"""Surrogate points: rows that nobody had, moved until their sketch is the data's."""
