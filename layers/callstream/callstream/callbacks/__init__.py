"""HTTP requests that notify tenants: what is sent, signed by each vendor's rules, and delivered."""
