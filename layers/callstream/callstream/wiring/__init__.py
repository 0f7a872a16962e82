"""Composition roots: settings, adapters and core, put together for a family of functions."""
