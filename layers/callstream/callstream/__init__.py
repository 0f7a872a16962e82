"""Callstream's own library: the core that every function shares.

Dependencies point one way: functions → core → adapters (behind the protocols of `ports`).
Only `callstream.adapters` knows AWS, the environment or the clock.
"""
