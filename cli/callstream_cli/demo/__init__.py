"""The demonstration: one call to Kinesis and to two consumers, compared bit for bit."""
