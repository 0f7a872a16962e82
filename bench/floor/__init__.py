"""Handlers that only pass a frame on."""
