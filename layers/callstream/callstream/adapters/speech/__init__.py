"""The offline speech engine."""
