"""Surfaces: the HTTP side of each vendor. `pipeline` is what they share."""
