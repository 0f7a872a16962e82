"""The engine of Amazon Transcribe before it connects. tests/stack/test_transcribe.py connects."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import CredentialRetrievalError
from botocore.session import Session, get_session

from callstream.adapters.aws.transcribe import TranscribeEngine
from callstream.transcription.engine import EngineFailed, SessionSettings


def session(region: str = "us-east-1") -> Session:
    made = get_session()
    made.set_config_variable("region", region)
    made.set_credentials("AK", "SK")
    return made


@pytest.mark.parametrize(
    ("region", "endpoint"),
    [
        ("us-east-1", "wss://transcribestreaming.us-east-1.amazonaws.com:8443"),
        ("cn-north-1", "wss://transcribestreaming.cn-north-1.amazonaws.com.cn:8443"),
    ],
)
def test_endpoint_follows_from_the_region(region: str, endpoint: str) -> None:
    assert TranscribeEngine(session(region))._endpoint == endpoint
    assert TranscribeEngine(session(region), "ws://127.0.0.1:1")._endpoint == "ws://127.0.0.1:1"


def renewed(refresh: Any) -> Session:
    soon = datetime.now(UTC) + timedelta(minutes=1)
    credentials = RefreshableCredentials("AK", "SK", "token", soon, refresh, "a role")
    made = session()
    made._credentials = credentials  # type: ignore[attr-defined]  # the stub has no such attribute
    return made


def test_session_may_be_long_unless_its_credentials_are_renewed_meanwhile() -> None:
    assert TranscribeEngine(session()).longest_session_s == 3.8 * 3600
    assert TranscribeEngine(renewed(dict)).longest_session_s == 480


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (SessionSettings("en-GB"), "language"),
        (SessionSettings("en-US", channels=3), "too many channels"),
    ],
)
def test_session_that_amazon_does_not_have_is_refused(
    settings: SessionSettings, reason: str
) -> None:
    with pytest.raises(EngineFailed, match=reason) as failed:
        asyncio.run(TranscribeEngine(session()).open(settings))
    assert failed.value.is_permanent


def test_session_without_credentials_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise CredentialRetrievalError(provider="a role", error_msg="unavailable")

    monkeypatch.setattr(Session, "get_credentials", lambda _session: None)
    with pytest.raises(EngineFailed, match="no credentials") as none:
        asyncio.run(TranscribeEngine(session()).open(SessionSettings("en-US")))
    monkeypatch.undo()
    with pytest.raises(EngineFailed, match="no credentials") as unavailable:
        asyncio.run(TranscribeEngine(renewed(fails)).open(SessionSettings("en-US")))

    assert (none.value.is_permanent, unavailable.value.is_permanent) == (True, False)
