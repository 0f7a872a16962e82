"""The environment in which AWS tools use only the local stack."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

REGION = "us-east-1"


def environment(surrounding: Mapping[str, str], endpoint: str) -> dict[str, str]:
    """Return ``surrounding`` with all variables about AWS replaced: account, region, endpoint."""
    kept = {name: value for name, value in surrounding.items() if not name.startswith("AWS_")}
    no_proxy = kept.get("NO_PROXY") or kept.get("no_proxy")
    direct = f"127.0.0.1,{no_proxy}" if no_proxy else "127.0.0.1"
    return {
        **kept,
        "NO_PROXY": direct,
        "no_proxy": direct,
        # ministack takes a key id of twelve digits as the account's number; it checks no signature.
        "AWS_ACCESS_KEY_ID": "000000000000",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": endpoint,
        # No profiles or roles of the developer.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def talking_to(endpoint: str) -> Iterator[None]:
    """Let this process use only the stack at ``endpoint``; clients made meanwhile keep it."""
    saved = dict(os.environ)
    _replace_environment(environment(saved, endpoint))
    try:
        yield
    finally:
        _replace_environment(saved)


def _replace_environment(variables: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)
