"""Where relays take the audio."""
