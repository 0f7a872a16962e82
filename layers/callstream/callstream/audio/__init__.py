"""Audio formats, and conversion between them."""
