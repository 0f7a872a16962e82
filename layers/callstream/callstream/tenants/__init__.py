"""Tenants, their credentials and their limits."""
