"""AWS behind the core's protocols."""
