"""Builds the parts of HTTP endpoints from their environment.

Each function raises msgspec.ValidationError if a setting is missing.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from callstream.access.media_urls import MediaUrls
from callstream.adapters import clock
from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.adapters.aws.secrets_manager import PermanentSecret, StoredKeyRing
from callstream.relays.store import RelayStore
from callstream.surfaces.pipeline import (
    Authenticator,
    Command,
    Endpoint,
    Operation,
    VendorSurface,
    logger,
)
from callstream.tenants.directory import Directory
from callstream.tenants.rate_limits import RateLimiter
from callstream.wiring.settings import EndpointSettings, MediaUrlSettings, StreamsSettings, load
from callstream.wiring.warm_ups import has_room, warm_ups

type Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def handler(
    surface: VendorSurface,
    operation: Operation,
    act: Callable[[Command[Any]], BaseModel | None],
    environment: Mapping[str, str],
) -> Handler:
    """The Lambda handler of one endpoint."""
    endpoint = Endpoint(surface, operation, authenticator(environment), act)

    @logger.inject_lambda_context(clear_state=True)
    def answer(event: dict[str, Any], _context: object) -> dict[str, Any]:
        return endpoint.answer(event, clock.now())

    return answer


def directory(environment: Mapping[str, str]) -> Directory:
    """The directory of tenants, inboxes and credentials."""
    return Directory(DynamoTable(load(EndpointSettings, environment).directory_table))


def authenticator(environment: Mapping[str, str]) -> Authenticator:
    """The authenticator, which also counts requests."""
    settings = load(EndpointSettings, environment)
    return Authenticator(
        directory=directory(environment),
        limiter=rate_limiter(environment),
        pepper=PermanentSecret(settings.credential_pepper_secret).value,
    )


def rate_limiter(environment: Mapping[str, str]) -> RateLimiter:
    """What counts requests."""
    return RateLimiter(DynamoTable(load(EndpointSettings, environment).streams_table))


def media_urls(environment: Mapping[str, str]) -> MediaUrls:
    """The minter of media URLs."""
    settings = load(MediaUrlSettings, environment)
    limiter = rate_limiter(environment)
    return MediaUrls(
        StoredKeyRing(settings.signing_keys_secret),
        settings.media_url,
        warm_ups(environment, lambda: has_room(limiter)),
    )


def relay_store(environment: Mapping[str, str]) -> RelayStore:
    """The store of relays."""
    return RelayStore(DynamoTable(load(StreamsSettings, environment).streams_table))
