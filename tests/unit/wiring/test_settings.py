"""Settings of the functions."""

import msgspec
import pytest

from callstream.wiring.settings import dialogflow_endpoint, is_local, transcribe_url


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


def test_dialogflow_is_elsewhere_on_the_local_stack_alone() -> None:
    given = {"CALLSTREAM_DIALOGFLOW_SECRETS_PREFIX": "callstream/dialogflow/"}
    local = {"CALLSTREAM_LOCAL": "true", "AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}
    stand_in = {"CALLSTREAM_DIALOGFLOW_ENDPOINT": "127.0.0.1:4590"}

    assert dialogflow_endpoint(given) is None
    assert dialogflow_endpoint(given | local) is None
    assert dialogflow_endpoint(given | stand_in | local) == "127.0.0.1:4590"
    with pytest.raises(msgspec.ValidationError, match="local stack alone"):
        dialogflow_endpoint(given | stand_in)
