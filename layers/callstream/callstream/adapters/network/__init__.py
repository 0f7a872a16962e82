"""The network behind the core's protocols."""
