"""Transcription: requests for it."""
