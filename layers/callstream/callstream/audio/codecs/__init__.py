"""Codecs: one module for each family. `callstream.audio.conversion` imports what a stream needs."""
