"""Unit tests open no sockets."""

import moto.core.models
import pytest
from hypothesis import HealthCheck, settings
from pytest_socket import disable_socket

# A busy machine is no reason to fail.
settings.register_profile("callstream", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("callstream")

# A mock of AWS answers botocore by itself. These are for another library, which no test uses; to
# register them took longer than most tests.
moto.core.models.RESPONSES_METHODS.clear()


@pytest.fixture(autouse=True)
def _no_sockets() -> None:
    disable_socket(allow_unix_socket=True)  # asyncio's own loop wakes itself through a socket pair
