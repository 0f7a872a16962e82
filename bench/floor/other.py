"""All other routes: no work."""


def handler(_event: object, _context: object) -> dict[str, int]:
    """Accept."""
    return {"statusCode": 200}
