"""Decoders that add atoms one by one, or split them."""
