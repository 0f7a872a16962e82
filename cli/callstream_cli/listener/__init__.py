"""The listener: a consumer for people and tests, which takes forks in any dialect.

`behaviour` says what it does and what goes wrong on purpose, `talking` what it says back, `hearing`
keeps what it hears; all three are pure. `server` joins them to WebSockets.
"""
