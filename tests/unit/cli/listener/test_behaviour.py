"""The handshakes that the listener refuses."""

import json

import pytest

from callstream_cli.listener import report
from callstream_cli.listener.behaviour import Behaviour, Handshake
from callstream_cli.listener.fork_state import ForkState
from callstream_cli.listener.server import Refusal


class TestHandshake:
    @pytest.mark.parametrize(
        ("headers", "carries"),
        [
            ({"authorization": "Bearer s3cret"}, True),
            ({"authorization": "bearer s3cret"}, True),
            ({"x-telnyx-streaming-auth-token": "s3cret"}, True),
            ({"authorization": "Basic s3cret"}, False),
            ({"authorization": "Bearer s3cret2"}, False),
            ({"authorization": "Bearer é"}, False),
            ({"cookie": "s3cret"}, False),
            ({}, False),
        ],
    )
    def test_token_is_accepted_in_either_vendors_header(
        self, headers: dict[str, str], *, carries: bool
    ) -> None:
        handshake = Handshake("/", headers)

        assert handshake.carries("s3cret") is carries
        assert Behaviour(require_token="s3cret").refusal(handshake) == (None if carries else 401)

    def test_refusal_ignores_tokens(self) -> None:
        handshake = Handshake("/", {"authorization": "Bearer s3cret"})

        assert Behaviour(refuse=503, require_token="s3cret").refusal(handshake) == 503
        assert Behaviour().refusal(handshake) is None

    def test_tokens_are_never_shown(self) -> None:
        handshake = Handshake(
            "/x?token=s3cret",
            {"authorization": "Bearer s3cret", "x-telnyx-streaming-auth-token": "s3cret"},
        )
        state = ForkState(1, handshake)

        written = [
            repr(handshake),
            repr(Behaviour(require_token="s3cret")),
            json.dumps(report.as_dict(state)),
            report.summary(state),
            json.dumps(report.refusal_as_dict(Refusal(handshake, 401))),
            report.refusal_summary(Refusal(handshake, 401)),
        ]

        assert not any("s3cret" in text for text in written)
        assert report.as_dict(state)["bearer"] is True
        assert report.as_dict(state)["auth_token"] is True
