"""The listener: a consumer for people and tests, which receives forks in any dialect.

`behaviour` is what the listener does, with its deliberate faults; `answering` is what it sends, and
`fork_state` what it has received. All three are pure. `fork` and `server` connect them to
WebSockets.
"""
