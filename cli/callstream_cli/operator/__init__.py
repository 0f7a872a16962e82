"""The operator's commands, for the local stack and for AWS. `__main__.py` lists all commands."""
