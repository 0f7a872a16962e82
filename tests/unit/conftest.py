"""Unit tests open no sockets."""

import pytest
from hypothesis import HealthCheck, settings
from pytest_socket import disable_socket

# A busy machine is no reason to fail.
settings.register_profile("callstream", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("callstream")


@pytest.fixture(autouse=True)
def _no_sockets() -> None:
    disable_socket(allow_unix_socket=True)  # asyncio's own loop wakes itself through a socket pair
