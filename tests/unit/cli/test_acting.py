"""Requests in the name of a tenant: `callstream url --tenant`, `call --tenant`."""

from collections.abc import Mapping
from contextlib import nullcontext, suppress
from typing import Any

import pytest
import typer

from callstream.tenants.directory import Credential, Directory, Surface, Tenant
from callstream_cli import deployment
from callstream_cli.acting import acting_as
from callstream_cli.operator.administration import Administration
from tests.unit.cli.operator.conftest import (
    acme,
    administration,
    deployed,
    directory,
    outputs,
    secrets,
    table,
)
from tests.unit.cli.operator.deployed import STACK as STACK_NAME

__all__ = ["acme", "administration", "deployed", "directory", "outputs", "secrets", "table"]

STACK: Any = {"rest": {}, "credentials": {"asapp": {"id": "demo's", "secret": "demo's"}}}
ALL: list[Surface] = ["asapp", "clerk", "telnyx", "signalwire", "twilio"]


@pytest.fixture(autouse=True)
def _local(outputs: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the mock be the local stack."""
    del outputs
    monkeypatch.setattr(deployment, "STACK_NAME", STACK_NAME)
    monkeypatch.setattr(deployment, "_surroundings", lambda _: nullcontext())


def credentials(directory: Directory) -> list[Credential]:
    return [entry for entry in directory.entries() if isinstance(entry, Credential)]


@pytest.mark.parametrize("tenant_id", [None, "demo"])
def test_demo_tenant_has_its_own_credentials(tenant_id: str | None, directory: Directory) -> None:
    with acting_as(tenant_id, STACK, ALL) as stack:
        assert stack is STACK
        assert credentials(directory) == []


@pytest.mark.usefixtures("acme")
def test_tenant_has_credentials_for_the_meantime(directory: Directory) -> None:
    with suppress(KeyboardInterrupt), acting_as("acme", STACK, ALL) as stack:
        shown = stack["credentials"]
        assert {(each.tenant_id, each.surface) for each in credentials(directory)} == {
            ("acme", surface) for surface in ALL
        }
        assert shown["asapp"].keys() == {"id", "secret"}
        assert shown["twilio"].keys() == {"account_sid", "api_key", "api_secret"}
        raise KeyboardInterrupt

    assert credentials(directory) == []


def test_tenant_keeps_the_credentials_of_its_own(
    acme: Tenant, administration: Administration, directory: Directory
) -> None:
    own = administration.create_credential(acme, "twilio").credential

    with acting_as("acme", STACK, ["twilio"]):
        assert len(credentials(directory)) == 2
    assert credentials(directory) == [own]


def test_unknown_tenant_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), acting_as("nobody", STACK, ALL):
        pass

    assert capsys.readouterr().err == "callstream: there is no tenant 'nobody'\n"
