"""Settings of the functions."""

import msgspec
import pytest

from callstream.wiring.settings import is_local, transcribe_url


def test_local_setting_is_refused_outside_the_local_stack() -> None:
    endpoint = {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}

    assert is_local({"CALLSTREAM_LOCAL": "true"} | endpoint)
    assert not is_local({"CALLSTREAM_LOCAL": "false"} | endpoint)
    assert not is_local({})
    with pytest.raises(msgspec.ValidationError):
        is_local({"CALLSTREAM_LOCAL": "true"})


def test_audio_is_sent_without_encryption_on_the_local_stack_alone() -> None:
    amazon = {"CALLSTREAM_TRANSCRIBER": "amazon"}
    local = {"CALLSTREAM_LOCAL": "true", "AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}
    plain = {"CALLSTREAM_TRANSCRIBE_URL": "ws://127.0.0.1:1"}
    secure = {"CALLSTREAM_TRANSCRIBE_URL": "wss://example.com:8443"}

    assert transcribe_url(amazon) is None
    assert transcribe_url(amazon | secure) == "wss://example.com:8443"
    assert transcribe_url(amazon | plain | local) == "ws://127.0.0.1:1"
    with pytest.raises(msgspec.ValidationError, match="wss"):
        transcribe_url(amazon | plain)
