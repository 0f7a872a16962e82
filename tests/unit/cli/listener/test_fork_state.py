"""The state of a fork: order, faults, and what is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from callstream.dialects import DIALECTS
from callstream.dialects.events import (
    Error,
    Mark,
    Track,
)
from callstream.frames.records import Disconnected
from callstream_cli.carrier.identity import CarrierName
from callstream_cli.carrier.plan import CallPlan, Carrier, Fate, Faults
from callstream_cli.listener.fork_state import ForkState
from tests.unit.cli.listener.forks import BOTH, PLAIN, media, received, received_call, start


class TestForkState:
    @pytest.mark.parametrize("carrier", DIALECTS)
    def test_whole_fork_is_kept_in_every_dialect(self, carrier: CarrierName) -> None:
        plan = CallPlan(BOTH, carrier=carrier, digits="5", seed=1)
        sent = [message.text for message in Carrier(plan).messages()]

        state = received_call(plan)

        assert state.dialect == carrier
        assert state.faults == {}
        assert state.texts == sent
        assert state.events == [DIALECTS[carrier].parse(text) for text in sent]
        assert state.in_order == [*state.events, Disconnected(1000, "")]
        assert {track: state.audio(track) for track in BOTH} == BOTH
        assert state.digits == "5"
        assert state.start is not None
        assert state.stop is not None
        assert (state.disconnected, state.closed_by) == (Disconnected(1000, ""), "gateway")
        assert state.counts.frames == {"inbound": 30, "outbound": 30}

    def test_message_out_of_order_is_a_fault_and_is_put_in_order(self) -> None:
        state = received_call(CallPlan(BOTH, Faults(shuffle=8), seed=3))

        assert state.faults.keys() == {"out of order", "chunks missing", "chunks out of turn"}
        assert state.audio("inbound") == BOTH["inbound"]

    def test_lost_message_is_missing_as_message_and_as_chunk(self) -> None:
        state = received(start(), media(2, chunk=1), media(4, chunk=3))
        state.close(1000, "", "gateway", 200.0)

        assert state.faults == {"missing": 1, "chunks missing": 1}

    def test_messages_behind_a_gap_are_kept_at_the_end(self) -> None:
        state = received(start(), media(2, chunk=1), media(4, chunk=3))
        assert state.audio("inbound") == b"\1\2"
        state.close(1006, "", "gateway", 100.1)

        assert state.audio("inbound") == b"\1\2\1\2"
        assert state.in_order[-1] == Disconnected(1006, "")
        assert state.faults == {"missing": 1, "chunks missing": 1}

    def test_loss_with_new_sequence_numbers_is_missing_as_chunk_only(self) -> None:
        assert received(start(), media(2, chunk=1), media(3, chunk=3)).faults == {
            "chunks missing": 1
        }

    def test_repeated_message_is_a_fault_and_is_kept_once(self) -> None:
        state = received(start(), media(2, chunk=1), media(2, chunk=1), media(3, chunk=2))

        assert state.faults == {"repeated": 1, "chunks out of turn": 1}
        assert state.audio("inbound") == b"\1\2\1\2"

    def test_repeated_frame_under_another_number_is_a_fault(self) -> None:
        state = received(start(), media(2, chunk=1), media(3, chunk=1))

        assert state.faults == {"chunks out of turn": 1}

    @pytest.mark.parametrize("chunks", [(1, 2, 3, 4), (1, 1, 2, 2)])
    def test_tracks_may_count_chunks_together_or_apart(self, chunks: tuple[int, ...]) -> None:
        tracks: tuple[Track, ...] = ("inbound", "outbound")
        frames = [
            media(index + 2, track=tracks[index % 2], chunk=chunk)
            for index, chunk in enumerate(chunks)
        ]

        assert received(start(), *frames).faults == {}

    def test_fork_that_does_not_begin_at_one_has_a_loss(self) -> None:
        state = received(replace(start(), sequence=4), media(5, chunk=1))
        state.close(1000, "", "gateway", 200.0)

        assert state.faults == {"missing": 3}

    @pytest.mark.parametrize("message", ["{", '{"event": "noise"}', b'{"event": "connected"}'])
    def test_unreadable_message_is_counted_and_kept(self, message: str | bytes) -> None:
        state = received(start(), message)

        assert state.faults == {"unreadable": 1}
        assert state.texts[1] == message
        assert state.rejected.total() == 1

    def test_simultaneous_equal_unreadable_messages_count_twice(self) -> None:
        state = ForkState(1, PLAIN)
        for _ in range(2):
            state.take("{", 5.0)

        assert state.faults == {"unreadable": 2}

    def test_message_in_another_dialect_is_foreign(self) -> None:
        other = DIALECTS["telnyx"].render(media(2, chunk=1), "ST1")

        assert received(start(), other).faults == {"foreign": 1}

    def test_simultaneous_equal_marks_are_not_repeats(self) -> None:
        state = received(start(), dialect="signalwire")
        echo = DIALECTS["signalwire"].render(Mark(sequence=None, name="same"), "ST1")
        for _ in range(3):
            state.take(echo, 100.0)

        assert state.marks == ["same"] * 3
        assert state.faults == {}
        assert len(state.in_order) == 4

    def test_error_of_the_gateway_is_kept_and_is_a_fault(self) -> None:
        error = Error(sequence=None, code="100003", title="malformed_frame")
        state = received(start(), error, dialect="telnyx")

        assert [error.code for error in state.errors] == ["100003"]
        assert state.faults == {"errors": 1}

    def test_messages_are_only_counted_without_keep(self) -> None:
        state = received(start(), media(2, chunk=1), Mark(sequence=3, name="m"), keep=False)

        assert (state.received, state.in_order) == ([], [])
        assert state.counts.frames == {"inbound": 1}
        assert (state.messages, state.marks) == (3, ["m"])

    @given(
        st.builds(
            Faults,
            shuffle=st.integers(0, 12),
            duplicate=st.floats(0, 0.3),
            drop=st.floats(0, 0.3),
            corrupt=st.floats(0, 0.3),
        ),
        st.sampled_from(list(DIALECTS)),
        st.integers(0, 2**32),
    )
    def test_fork_without_faults_is_bit_exact_and_a_lossy_fork_has_faults(
        self, faults: Faults, carrier: CarrierName, seed: int
    ) -> None:
        plan = CallPlan(BOTH, faults, carrier=carrier, seed=seed)
        fates = {message.fate for message in Carrier(plan).messages()}

        state = received_call(plan)

        if not state.faults:
            assert {track: state.audio(track) for track in BOTH} == BOTH
        if fates - {Fate.SENT}:
            assert state.faults
