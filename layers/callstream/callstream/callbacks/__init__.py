"""HTTP requests that notify tenants: built, signed by each vendor's rules, and delivered."""
