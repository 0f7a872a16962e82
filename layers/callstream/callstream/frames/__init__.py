"""The records on Kinesis: written, put in order and read."""
