"""The state of calls and of their media streams."""
