"""Keys of the Directory table for those that do without `directory`, which loads Pydantic."""

from callstream.ports import Item


def tenant_key(tenant_id: str) -> Item:
    """The key of a tenant."""
    return {"pk": f"TENANT#{tenant_id}", "sk": "TENANT"}
