"""Transcription: commands to transcribe calls."""
