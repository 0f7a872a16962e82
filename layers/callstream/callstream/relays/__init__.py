"""Relays: each carries a call's live audio to one sink."""
