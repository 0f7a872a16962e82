"""All other routes: does nothing."""


def handler(_event: object, _context: object) -> dict[str, int]:
    """Agree."""
    return {"statusCode": 200}
