"""Puts a stream's messages back into order. Generic: it knows numbers and no events."""
