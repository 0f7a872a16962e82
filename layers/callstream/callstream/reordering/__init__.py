"""Puts a stream's messages back into order. Generic: knows numbers and no events."""
