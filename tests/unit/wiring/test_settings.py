"""Settings of the functions."""

import msgspec
import pytest

from callstream.wiring.settings import is_local


def test_local_setting_is_refused_outside_the_local_stack() -> None:
    endpoint = {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}

    assert is_local({"CALLSTREAM_LOCAL": "true"} | endpoint)
    assert not is_local({"CALLSTREAM_LOCAL": "false"} | endpoint)
    assert not is_local({})
    with pytest.raises(msgspec.ValidationError):
        is_local({"CALLSTREAM_LOCAL": "true"})
