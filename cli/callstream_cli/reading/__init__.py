"""The consumers' commands: what is on the frames stream, shown live, recorded and played again.

`recording` puts streams together, `stereo` makes audio files of them, `script` makes messages of
them; all three are pure. `player` sends messages on a WebSocket.
"""
