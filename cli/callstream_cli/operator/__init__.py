"""The operator's tool: tenants, and what they are given, in the local stack or on AWS."""
