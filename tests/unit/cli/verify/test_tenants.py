"""The tenants of a run are deleted, however the run ends."""

import signal
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from botocore.exceptions import EndpointConnectionError

from callstream.tenants.directory import Tenant
from callstream_cli.operator.administration import Administration
from callstream_cli.verify.deployed import Deployed
from callstream_cli.verify.tenants import NotDeleted, abandoned, delete, parties
from tests.unit.activity import Deployment
from tests.unit.cli.operator.deployed import SECRETS

BASES = {f"{name}ApiUrl": f"https://{name.lower()}.example.com" for name in ("Asapp", "Telnyx")}


@pytest.fixture
def administration(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Administration:
    deployment.outputs |= {
        **BASES,
        "MediaUrlTemplate": "wss://media.example.com/{path}/{token}",
        "FramesStreamName": "frames",
        "StateRetentionDays": "30",
        "TwilioSecretsPrefix": "callstream/twilio/",
        "DialogflowSecretsPrefix": "callstream/dialogflow/",
    }
    monkeypatch.setattr(Administration, "secret", lambda _, output: SECRETS[output[:-9]])
    return Administration(deployment.outputs)


@pytest.fixture
def deployed(deployment: Deployment) -> Deployed:
    return Deployed("callstream", "us-east-1", deployment.outputs, {}, {})


def left(administration: Administration) -> list[str]:
    """Whatever is left of a run's tenants."""
    ids = {entry.tenant_id for entry in administration.directory.entries()}
    return sorted(ids - {"acme", "other"})


def test_tenants_of_a_run_have_credentials_and_are_deleted(
    deployed: Deployed, administration: Administration
) -> None:
    with parties(deployed, administration) as both:
        assert left(administration) == sorted([both.caller.id, both.consumer.id])
        assert both.caller.stack["rest"]["telnyx"] == "https://telnyx.example.com"
        asapp, twilio = (both.caller.stack["credentials"][each] for each in ("asapp", "twilio"))
        assert asapp.keys() == {"id", "secret"}
        assert twilio.keys() == {"account_sid", "auth_token"}
    assert left(administration) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_interrupted_run_deletes_its_tenants_undisturbed(
    deployed: Deployed,
    administration: Administration,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
) -> None:
    seen = []
    really = Administration.delete_tenant

    def delete_tenant(self: Administration, tenant_id: str) -> object:
        # An impatient second Ctrl-C.
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        seen.append(tenant_id)
        return really(self, tenant_id)

    monkeypatch.setattr(Administration, "delete_tenant", delete_tenant)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(error), parties(deployed, administration):
        raise error
    assert len(seen) == 2
    assert left(administration) == []
    assert signal.getsignal(signal.SIGINT) is before


def test_tenant_that_is_half_made_is_deleted(
    deployed: Deployed, administration: Administration, monkeypatch: pytest.MonkeyPatch
) -> None:
    def create_inbox(*_: object) -> None:
        raise EndpointConnectionError(endpoint_url="dynamodb")

    monkeypatch.setattr(Administration, "create_inbox", create_inbox)
    with pytest.raises(EndpointConnectionError), parties(deployed, administration):
        pytest.fail("there are no tenants")
    assert left(administration) == []


def test_other_tenant_is_deleted_if_the_first_cannot_be(
    deployed: Deployed, administration: Administration, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = Administration.delete_tenant

    def delete_tenant(self: Administration, tenant_id: str) -> object:
        if tenant_id.endswith("caller"):
            raise EndpointConnectionError(endpoint_url="dynamodb")
        return really(self, tenant_id)

    monkeypatch.setattr(Administration, "delete_tenant", delete_tenant)
    with pytest.raises(NotDeleted) as kept, parties(deployed, administration) as both:
        pass
    assert left(administration) == [both.caller.id]
    assert both.caller.id in str(kept.value)
    assert "dynamodb" in str(kept.value)


def test_tenants_of_a_killed_run_are_found_after_some_hours(
    deployed: Deployed, administration: Administration
) -> None:
    with parties(deployed, administration) as both:
        now = datetime.now(UTC)
        assert abandoned(administration, now) == []
        # An operator's own tenant, in whatever form, is never taken for one of a run.
        administration.directory.save(
            Tenant(
                tenant_id="verify-20200101T000000Z-acme",
                name="Acme",
                project_id=uuid4(),
                callback_key_id="k",
                routes=frozenset(),
            )
        )
        old = abandoned(administration, now + timedelta(hours=4))
        assert old == sorted([both.caller.id, both.consumer.id])
        delete(administration, old)
        assert left(administration) == ["verify-20200101T000000Z-acme"]
