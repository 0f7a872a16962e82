"""Wires the parts of HTTP endpoints from their environment.

Each function raises msgspec.ValidationError if a setting is missing.
"""

from collections.abc import Mapping

from callstream.adapters.secrets import PermanentSecret, StoredKeyRing
from callstream.adapters.tables import DynamoTable
from callstream.directory import Directory
from callstream.media_urls import MediaUrls
from callstream.rate import RateLimiter
from callstream.relays import RelayStore
from callstream.settings import EndpointSettings, MediaUrlSettings, StreamsSettings, load
from callstream.surfaces.pipeline import Gate
from callstream.transcriptions import Transcriptions


def directory(environment: Mapping[str, str]) -> Directory:
    """Tenants, inboxes and credentials."""
    return Directory(DynamoTable(load(EndpointSettings, environment).directory_table))


def gate(environment: Mapping[str, str]) -> Gate:
    """What authenticates requests and counts them."""
    settings = load(EndpointSettings, environment)
    return Gate(
        directory=directory(environment),
        limiter=RateLimiter(DynamoTable(settings.streams_table)),
        pepper=PermanentSecret(settings.credential_pepper_secret).value,
    )


def media_urls(environment: Mapping[str, str]) -> MediaUrls:
    """What mints media URLs."""
    settings = load(MediaUrlSettings, environment)
    return MediaUrls(StoredKeyRing(settings.signing_keys_secret), settings.media_url)


def transcriptions(environment: Mapping[str, str]) -> Transcriptions:
    """The transcriptions of calls."""
    return Transcriptions(DynamoTable(load(StreamsSettings, environment).streams_table))


def relay_store(environment: Mapping[str, str]) -> RelayStore:
    """The relays of calls."""
    return RelayStore(DynamoTable(load(StreamsSettings, environment).streams_table))
