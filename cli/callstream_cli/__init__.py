"""The ``callstream`` command: local stack, carrier simulator, demonstration."""
