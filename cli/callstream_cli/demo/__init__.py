"""The demonstration: one call, from the carrier's socket to Kinesis, compared bit for bit."""
