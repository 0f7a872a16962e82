"""The carrier simulator: plays audio to a media URL as Twilio, Telnyx and SignalWire do.

`plan` says what is sent and when, and what goes wrong on purpose; `playback` is the player
of the audio that comes back. Both are pure. `session` joins them to a WebSocket.
"""
