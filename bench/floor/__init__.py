"""Handlers that pass a frame on, and nothing else."""
