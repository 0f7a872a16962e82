"""OpenAPI documents of the HTTP surfaces, and pages for people, both from the code's own models."""
