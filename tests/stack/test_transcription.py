"""The transcription of calls on the deployed stack."""
