"""What tests of commands share."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from callstream_cli import deployment as stacks
from tests.unit.activity import Deployment


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """The deployment that commands find, with two tenants, on mocked AWS."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("CALLSTREAM_STACK", "callstream")
    with mock_aws():
        deployment = Deployment()
        deployment.tenant("acme")
        deployment.tenant("other")
        monkeypatch.setattr(stacks, "_outputs", lambda _: deployment.outputs)
        yield deployment
