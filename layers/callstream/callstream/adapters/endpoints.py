"""Wires the parts of an HTTP endpoint from its environment."""

import os

from callstream.adapters.secrets import Pepper, StoredKeyRing
from callstream.adapters.tables import DynamoTable
from callstream.directory import Directory
from callstream.rate import RateLimiter
from callstream.settings import EndpointSettings, load
from callstream.surfaces.pipeline import Gate


class EndpointParts:
    """What every endpoint is made of."""

    def __init__(self, settings: EndpointSettings) -> None:
        self.settings = settings
        self.gate = Gate(
            directory=Directory(DynamoTable(settings.directory_table)),
            limiter=RateLimiter(DynamoTable(settings.streams_table)),
            pepper=Pepper(settings.credential_pepper_secret),
        )
        self.keys = StoredKeyRing(settings.signing_keys_secret)

    @classmethod
    def from_environment(cls) -> "EndpointParts":
        """Read the environment. Raises msgspec.ValidationError if a variable is missing."""
        return cls(load(EndpointSettings, os.environ))
