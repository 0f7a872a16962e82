"""Read models of calls and streams for operators."""
