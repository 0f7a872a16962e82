"""The lifecycle of streams, as data."""

from itertools import product

import pytest

from callstream.calls.lifecycle import STREAM_LIFECYCLE, StreamEvent, StreamState, next_state
from callstream.errors import IllegalTransition


def test_next_state_refuses_by_name_what_the_lifecycle_lacks() -> None:
    for state, event in product(StreamState, StreamEvent):
        if event in STREAM_LIFECYCLE[state]:
            assert next_state(STREAM_LIFECYCLE, state, event) in StreamState
        else:
            with pytest.raises(IllegalTransition, match=f"'{event}'.*'{state}'"):
                next_state(STREAM_LIFECYCLE, state, event)


def test_stream_lifecycle_never_leads_back() -> None:
    order = list(StreamState)
    for state, steps in STREAM_LIFECYCLE.items():
        assert all(order.index(target) >= order.index(state) for target in steps.values())
