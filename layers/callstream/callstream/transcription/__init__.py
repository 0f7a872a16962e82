"""Transcription: requests to transcribe calls."""
