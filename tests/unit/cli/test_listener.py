"""The listener without its sockets: what it hears, says, keeps and tells."""

import json
import struct
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import audioop
import numpy as np
import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.console import Console
from typer.testing import CliRunner

from callstream.audio.formats import PCMU_8K, AudioFormat
from callstream.dialects import DIALECTS
from callstream.dialects.events import (
    CarrierEvent,
    Clear,
    Dtmf,
    Error,
    Mark,
    Media,
    ReturnDtmf,
    ReturnMark,
    ReturnMedia,
    Start,
    Stop,
    Track,
)
from callstream.errors import UnreadableMessage
from callstream.frames.reader import StreamOver
from callstream.frames.records import Disconnected
from callstream_cli import audio
from callstream_cli.__main__ import build
from callstream_cli.carrier.identity import CarrierName
from callstream_cli.carrier.plan import CallPlan, Carrier, Fate, Faults
from callstream_cli.listener import codecs, report
from callstream_cli.listener.answering import Answer, answers
from callstream_cli.listener.behaviour import NONSENSE, Behaviour, Handshake
from callstream_cli.listener.certificate import self_signed
from callstream_cli.listener.fork_state import ForkState
from callstream_cli.listener.server import Refusal
from callstream_cli.listener.wav_files import store
from callstream_cli.reading.errors import ConsumerError
from callstream_cli.reading.tail_output import Shown

BOTH: dict[Track, bytes] = {
    "inbound": bytes(range(160)) * 30,
    "outbound": bytes(range(80, 240)) * 30,
}
PLAIN = Handshake("/", {})
L16 = AudioFormat(encoding="L16", sample_rate=16_000, channels=1)
PCMA = AudioFormat(encoding="PCMA", sample_rate=8000, channels=1)


def start(format_: AudioFormat = PCMU_8K, **fields: Any) -> Start:
    return Start(
        sequence=1,
        carrier_stream_id="ST1",
        call_id="CA1",
        account_id="AC1",
        tracks=("inbound",),
        format=format_,
        **fields,
    )


def media(number: int, *, track: Track = "inbound", chunk: int, sound: bytes = b"\1\2") -> Media:
    timestamp = (chunk - 1) * 20
    return Media(sequence=number, track=track, chunk=chunk, timestamp=timestamp, audio=sound)


def hear(
    *events: CarrierEvent | str | bytes, dialect: str = "twilio", keep: bool = True
) -> ForkState:
    """Hear events in a dialect, and messages as they are."""
    state = ForkState(1, PLAIN, 100.0, keep=keep)
    for index, event in enumerate(events):
        if not isinstance(event, str | bytes):
            event = DIALECTS[dialect].render(event, "ST1")  # noqa: PLW2901
        state.take(event, 100.0 + index * 0.02)
    return state


def heard(plan: CallPlan) -> ForkState:
    """Hear a simulated carrier's whole call."""
    state = ForkState(1, PLAIN)
    for message in Carrier(plan).messages():
        if message.fate is not Fate.DROPPED:
            state.take(message.text, message.at)
    state.close(1000, "", "gateway", 99.0)
    return state


class TestHearing:
    @pytest.mark.parametrize("carrier", DIALECTS)
    def test_a_whole_fork_is_kept_whole_in_every_dialect(self, carrier: CarrierName) -> None:
        plan = CallPlan(BOTH, carrier=carrier, digits="5", seed=1)
        sent = [message.text for message in Carrier(plan).messages()]

        state = heard(plan)

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

    def test_what_is_out_of_order_is_a_fault_although_it_is_put_in_order(self) -> None:
        state = heard(CallPlan(BOTH, Faults(shuffle=8), seed=3))

        assert state.faults.keys() == {"out of order", "chunks missing", "chunks out of turn"}
        assert state.audio("inbound") == BOTH["inbound"]

    def test_a_lost_message_is_missing_as_message_and_as_chunk(self) -> None:
        state = hear(start(), media(2, chunk=1), media(4, chunk=3))
        state.close(1000, "", "gateway", 200.0)

        assert state.faults == {"missing": 1, "chunks missing": 1}

    def test_what_waits_for_a_missing_message_is_heard_at_the_end(self) -> None:
        state = hear(start(), media(2, chunk=1), media(4, chunk=3))
        assert state.audio("inbound") == b"\1\2"
        state.close(1006, "", "gateway", 100.1)

        assert state.audio("inbound") == b"\1\2\1\2"
        assert state.in_order[-1] == Disconnected(1006, "")
        assert state.faults == {"missing": 1, "chunks missing": 1}

    def test_what_was_numbered_anew_over_a_loss_is_missing_as_chunk_alone(self) -> None:
        assert hear(start(), media(2, chunk=1), media(3, chunk=3)).faults == {"chunks missing": 1}

    def test_a_repeated_message_is_a_fault_and_heard_once(self) -> None:
        state = hear(start(), media(2, chunk=1), media(2, chunk=1), media(3, chunk=2))

        assert state.faults == {"repeated": 1, "chunks out of turn": 1}
        assert state.audio("inbound") == b"\1\2\1\2"

    def test_a_frame_that_comes_again_under_another_number_is_a_fault(self) -> None:
        state = hear(start(), media(2, chunk=1), media(3, chunk=1))

        assert state.faults == {"chunks out of turn": 1}

    @pytest.mark.parametrize("chunks", [(1, 2, 3, 4), (1, 1, 2, 2)])
    def test_tracks_may_count_chunks_together_or_apart(self, chunks: tuple[int, ...]) -> None:
        tracks: tuple[Track, ...] = ("inbound", "outbound")
        frames = [
            media(index + 2, track=tracks[index % 2], chunk=chunk)
            for index, chunk in enumerate(chunks)
        ]

        assert hear(start(), *frames).faults == {}

    def test_a_fork_that_does_not_begin_at_one_has_lost_something(self) -> None:
        state = hear(replace(start(), sequence=4), media(5, chunk=1))
        state.close(1000, "", "gateway", 200.0)

        assert state.faults == {"missing": 3}

    @pytest.mark.parametrize("message", ["{", '{"event": "noise"}', b'{"event": "connected"}'])
    def test_what_cannot_be_read_is_counted_and_kept(self, message: str | bytes) -> None:
        state = hear(start(), message)

        assert state.faults == {"unreadable": 1}
        assert state.texts[1] == message
        assert state.rejected.total() == 1

    def test_the_same_nonsense_twice_at_once_counts_twice(self) -> None:
        state = ForkState(1, PLAIN)
        for _ in range(2):
            state.take("{", 5.0)

        assert state.faults == {"unreadable": 2}

    def test_another_dialects_message_is_foreign(self) -> None:
        other = DIALECTS["telnyx"].render(media(2, chunk=1), "ST1")

        assert hear(start(), other).faults == {"foreign": 1}

    def test_marks_that_come_back_at_once_are_not_taken_for_repeats(self) -> None:
        state = hear(start(), dialect="signalwire")
        echo = DIALECTS["signalwire"].render(Mark(sequence=None, name="same"), "ST1")
        for _ in range(3):
            state.take(echo, 100.0)

        assert state.marks == ["same"] * 3
        assert state.faults == {}
        assert len(state.in_order) == 4

    def test_an_error_of_the_gateway_is_kept_and_is_a_fault(self) -> None:
        error = Error(sequence=None, code="100003", title="malformed_frame")
        state = hear(start(), error, dialect="telnyx")

        assert [error.code for error in state.errors] == ["100003"]
        assert state.faults == {"errors": 1}

    def test_nothing_is_kept_if_it_is_not_to_be(self) -> None:
        state = hear(start(), media(2, chunk=1), Mark(sequence=3, name="m"), keep=False)

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
    def test_a_fork_without_faults_is_bit_exact_and_one_with_losses_has_faults(
        self, faults: Faults, carrier: CarrierName, seed: int
    ) -> None:
        plan = CallPlan(BOTH, faults, carrier=carrier, seed=seed)
        fates = {message.fate for message in Carrier(plan).messages()}

        state = heard(plan)

        if not state.faults:
            assert {track: state.audio(track) for track in BOTH} == BOTH
        if fates - {Fate.SENT}:
            assert state.faults


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
    def test_it_is_let_in_by_either_vendors_token(
        self, headers: dict[str, str], *, carries: bool
    ) -> None:
        handshake = Handshake("/", headers)

        assert handshake.carries("s3cret") is carries
        assert Behaviour(require_token="s3cret").refusal(handshake) == (None if carries else 401)

    def test_whom_it_refuses_it_refuses_with_any_token(self) -> None:
        handshake = Handshake("/", {"authorization": "Bearer s3cret"})

        assert Behaviour(refuse=503, require_token="s3cret").refusal(handshake) == 503
        assert Behaviour().refusal(handshake) is None

    def test_no_token_is_ever_shown(self) -> None:
        handshake = Handshake(
            "/x?token=s3cret",
            {"authorization": "Bearer s3cret", "x-telnyx-streaming-auth-token": "s3cret"},
        )
        state = ForkState(1, handshake)

        told = [
            repr(handshake),
            repr(Behaviour(require_token="s3cret")),
            json.dumps(report.as_dict(state)),
            report.summary(state),
            json.dumps(report.refusal_as_dict(Refusal(handshake, 401))),
            report.refusal_summary(Refusal(handshake, 401)),
        ]

        assert not any("s3cret" in text for text in told)
        assert report.as_dict(state)["bearer"] is True
        assert report.as_dict(state)["auth_token"] is True


class TestTalk:
    SECOND = bytes(range(200)) * 40

    def test_audio_goes_out_in_pieces_of_20_ms_in_real_time_and_marks_behind_it(self) -> None:
        behaviour = Behaviour(play=self.SECOND, marks=("a", "b"))

        lines = answers(behaviour, "twilio", start()).messages

        played = [line for line in lines if isinstance(line.event, ReturnMedia)]
        assert [line.at for line in played] == [pytest.approx(i * 0.02) for i in range(50)]
        assert b"".join(audio_of(played)) == self.SECOND
        assert {len(piece) for piece in audio_of(played)} == {160}
        assert [line.event for line in lines[-2:]] == [ReturnMark("a"), ReturnMark("b")]
        assert [line.at for line in lines[-2:]] == [played[-1].at] * 2

    @pytest.mark.parametrize(("speed", "last"), [(4.0, 0.245), (0.0, 0.0)])
    def test_it_may_go_out_faster(self, speed: float, last: float) -> None:
        lines = answers(Behaviour(play=self.SECOND, speed=speed), "telnyx", start()).messages

        assert lines[-1].at == pytest.approx(last)
        assert b"".join(audio_of(lines)) == self.SECOND

    @pytest.mark.parametrize("speed", [1.0, 0.0])
    def test_a_clear_ends_the_playing_and_comes_after_the_marks(self, speed: float) -> None:
        behaviour = Behaviour(play=self.SECOND, speed=speed, marks=("a",), clear_after=0.105)

        lines = answers(behaviour, "twilio", start()).messages

        assert [line.event for line in lines[-2:]] == [ReturnMark("a"), Clear()]
        assert lines[-1].at == 0.105
        assert len(audio_of(lines)) == (6 if speed else 50)
        assert [line.at for line in lines] == sorted(line.at for line in lines)

    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_only_signalwire_can_be_told_to_press_keys(self, dialect: str) -> None:
        said = answers(Behaviour(digits="12#"), dialect, start())

        if dialect == "signalwire":
            assert [line.event for line in said.messages] == [ReturnDtmf(key) for key in "12#"]
            assert said.unsent == []
        else:
            assert said.messages == []
            assert len(said.unsent) == 3

    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_every_word_is_the_dialects_own(self, dialect: str) -> None:
        behaviour = Behaviour(play=self.SECOND, marks=("a",), clear_after=3.0)

        for line in answers(behaviour, dialect, start()).messages:
            assert DIALECTS[dialect].parse_return(line.text) == line.event
            assert ("ST1" in str(line.text)) == (dialect != "telnyx")

    @pytest.mark.parametrize("format_", [PCMA, L16])
    def test_it_speaks_the_forks_codec(self, format_: AudioFormat) -> None:
        [*pieces] = audio_of(
            answers(Behaviour(play=self.SECOND), "telnyx", start(format_)).messages
        )

        assert len(pieces) == 50
        assert {len(piece) for piece in pieces} == {640 if format_ is L16 else 160}

    def test_what_cannot_be_said_is_told_and_the_rest_said(self) -> None:
        g722 = AudioFormat(encoding="G722", sample_rate=8000, channels=1)

        said = answers(Behaviour(play=self.SECOND, marks=("a",)), "telnyx", start(g722))

        assert [line.event for line in said.messages] == [ReturnMark("a")]
        assert said.unsent == ["audio in G722 cannot be made here"]

    def test_messages_go_out_as_they_are(self) -> None:
        assert answers(Behaviour(messages=("{", b"\0")), "twilio", start()).messages == [
            Answer(0.0, "{"),
            Answer(0.0, b"\0"),
        ]

    @pytest.mark.parametrize("message", NONSENSE)
    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_nonsense_is_nonsense_to_everybody(self, dialect: str, message: str | bytes) -> None:
        with pytest.raises(UnreadableMessage):
            DIALECTS[dialect].parse_return(message)


def audio_of(lines: Any) -> list[bytes]:
    return [line.event.audio for line in lines if isinstance(line.event, ReturnMedia)]


class TestSound:
    MULAW = bytes(range(256)) * 50

    def test_mulaw_stays_as_it_is(self) -> None:
        assert codecs.encoded(self.MULAW, PCMU_8K, "big") == self.MULAW

    def test_alaw_says_nearly_the_same(self) -> None:
        alaw = codecs.encoded(self.MULAW, PCMA, "big")

        assert alaw == audioop.lin2alaw(audioop.ulaw2lin(self.MULAW, 2), 2)

    def test_linear_samples_have_the_rate_and_the_order_of_bytes(self) -> None:
        narrow = AudioFormat(encoding="L16", sample_rate=8000, channels=1)
        expected = np.frombuffer(audioop.ulaw2lin(self.MULAW, 2), "<i2")

        big = np.frombuffer(codecs.encoded(self.MULAW, narrow, "big"), ">i2")
        little = np.frombuffer(codecs.encoded(self.MULAW, narrow, "little"), "<i2")

        assert (big == expected).all()
        assert (little == expected).all()
        assert len(codecs.encoded(self.MULAW, L16, "big")) == 4 * len(self.MULAW)

    def test_a_tone_is_the_same_tone_at_another_rate(self) -> None:
        wave = np.sin(2 * np.pi * 400 * np.arange(8000) / 8000) * 8000
        mulaw = audioop.lin2ulaw(wave.astype("<i2").tobytes(), 2)

        high = np.frombuffer(codecs.encoded(mulaw, L16, "little"), "<i2")

        spectrum = np.abs(np.fft.rfft(high))
        assert np.argmax(spectrum) == 400

    @pytest.mark.parametrize(
        "format_",
        [
            AudioFormat(encoding="OPUS", sample_rate=16_000, channels=1),
            AudioFormat(encoding="L16", sample_rate=16_000, channels=2),
        ],
    )
    def test_other_formats_are_refused(self, format_: AudioFormat) -> None:
        with pytest.raises(ConsumerError, match="cannot be made here"):
            codecs.encoded(self.MULAW, format_, "big")

    def test_of_stereo_the_agent_is_played(self, tmp_path: Path) -> None:
        audio.save(tmp_path / "stereo.wav", BOTH)
        audio.save(tmp_path / "mono.wav", {"inbound": BOTH["inbound"]})

        assert codecs.load(tmp_path / "stereo.wav") == BOTH["outbound"]
        assert codecs.load(tmp_path / "mono.wav") == BOTH["inbound"]


class TestStoring:
    def test_a_fork_is_a_stereo_wav_file(self, tmp_path: Path) -> None:
        state = heard(CallPlan(BOTH, carrier="telnyx", seed=1))

        [path] = store(tmp_path / "new", state, "big")

        assert path.parent == tmp_path / "new"
        assert path.name.startswith("telnyx-")
        data = path.read_bytes()
        assert struct.unpack_from("<HHI", data, 20) == (1, 2, 8000)
        samples = np.frombuffer(data[data.index(b"data") + 8 :], "<i2").reshape(-1, 2)
        for column, track in enumerate(audio.TRACKS):
            assert samples[:, column].tobytes() == audioop.ulaw2lin(BOTH[track], 2)

    def test_nothing_is_overwritten(self, tmp_path: Path) -> None:
        state = hear(start(), media(2, chunk=1))

        paths = [store(tmp_path, state, "big") for _ in range(3)]

        names = ["twilio-ST1.wav", "twilio-ST1-2.wav", "twilio-ST1-3.wav"]
        assert [path.name for [path] in paths] == names

    def test_what_cannot_be_decoded_is_written_as_it_came_and_not_overwritten(
        self, tmp_path: Path
    ) -> None:
        opus = AudioFormat(encoding="OPUS", sample_rate=16_000, channels=1)
        state = hear(start(opus), media(2, chunk=1), media(3, chunk=2), dialect="telnyx")

        [first] = store(tmp_path, state, "big")
        [second] = store(tmp_path, state, "big")

        assert first.read_bytes() == second.read_bytes() == b"\1\2\1\2"
        assert first != second
        assert first.suffix == ".opus"

    def test_a_fork_without_audio_makes_no_file(self, tmp_path: Path) -> None:
        assert store(tmp_path / "new", hear(start()), "big") == []
        assert not (tmp_path / "new").exists()


class TestReport:
    def test_it_has_the_figures(self) -> None:
        state = hear(
            start(), media(2, chunk=1), Mark(sequence=3, name="m"), "{", Stop(4, "CA1", "AC1")
        )
        state.sent.add(ReturnMedia(b"abc"))
        for event in (ReturnMark("m"), Clear(), ReturnDtmf("5"), None):
            state.sent.add(event)
        state.close(1000, "", "listener", 101.0)

        told = report.as_dict(state, [Path("a.wav")])

        assert json.loads(json.dumps(told)) == {
            "fork": 1,
            "path": "/",
            "bearer": False,
            "auth_token": False,
            "dialect": "twilio",
            "stream_id": "ST1",
            "call_id": "CA1",
            "format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
            "messages": 5,
            "frames": {"inbound": 1},
            "audio_bytes": 2,
            "audio_seconds": 0.0,
            "marks": ["m"],
            "keys": 0,
            "errors": [],
            "faults": {"unreadable": 1},
            "sent": {
                "frames": 1,
                "audio_bytes": 3,
                "marks": 1,
                "clears": 1,
                "keys": 1,
                "others": 1,
            },
            "unsaid": [],
            "stopped": True,
            "seconds": 1.0,
            "close_code": 1000,
            "closed_by": "listener",
            "files": ["a.wav"],
        }
        assert report.summary(state, [Path("a.wav")]) == (
            "fork-1  twilio; 1 inbound frames; 1 unreadable; 1 marks came back; 3 bytes of audio,"
            " 1 marks, 1 clears, 1 keys, 1 other messages sent; closed with 1000 by the listener;"
            " written to a.wav"
        )

    @pytest.mark.parametrize(
        ("codec", "seconds"), [("PCMU", 0.5), ("PCMA", 0.5), ("L16", 0.25), ("G722", None)]
    )
    def test_how_long_the_audio_is_depends_on_the_codec(
        self, codec: str, seconds: float | None
    ) -> None:
        format_ = AudioFormat(encoding=codec, sample_rate=8000, channels=1)
        state = hear(start(format_), media(2, chunk=1, sound=bytes(4000)), dialect="telnyx")

        assert report.as_dict(state)["audio_seconds"] == seconds

    def test_what_is_about_persons_is_told_only_if_wanted(self) -> None:
        opening = start(
            from_number="+1PRIVATE", client_state="PRIVATE", parameters={"a": "PRIVATE"}
        )
        key = Dtmf(sequence=2, track="inbound", digit="7")
        state = hear(opening, key)
        for personal in (False, True):
            lines = [
                report.as_dict(state, personal=personal),
                *(
                    report.event_as_dict(state, event, 0, Shown(personal=personal))
                    for event in (*state.events, StreamOver("disconnected"))
                ),
            ]
            told = json.dumps(lines)
            assert ("PRIVATE" in told) is personal
            assert ('"7"' in told) is personal

    def test_an_event_is_told_with_its_fork(self) -> None:
        state = hear(start(), media(2, chunk=1))

        told = report.event_as_dict(state, state.in_order[1], 1_795_262_400_000, Shown())

        assert told == {
            "fork": 1,
            "dialect": "twilio",
            "call_id": "CA1",
            "received_at": 1_795_262_400_000,
            "event": {
                "kind": "media",
                "sequence": 2,
                "track": "inbound",
                "chunk": 1,
                "timestamp": 0,
                "size": 2,
            },
        }

    def test_what_is_whole_is_said_to_be(self) -> None:
        assert "whole and in order" in report.summary(heard(CallPlan(BOTH)))
        assert "without a stop" in report.summary(closed(hear(start())))
        assert report.summary(hear()) == (
            "fork-1  no dialect that is known; no frames; whole and in order; open"
        )

    def test_all_forks_fit_into_a_table_on_a_narrow_terminal(self) -> None:
        plan = CallPlan(BOTH, Faults(drop=0.2), carrier="signalwire", seed=1)
        console = Console(width=80, file=StringIO())
        forks = [heard(plan), closed(hear(start(), Mark(sequence=2, name="hello")))]

        console.print(report.picture("ws://127.0.0.1:8080/", forks, 2))

        lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
        assert lines[0].split() == ["listening", "at", "ws://127.0.0.1:8080/,", "2", "refused"]
        assert len(lines) == 4
        assert lines[1].split()[-3:] == ["faults", "sent", "mark"]
        assert lines[2].split()[1] == "signalwire"
        assert lines[3].split() == [
            *("1", "twilio", "CA1", "100.0", "0", "0", "0", "0", "hello", "closed", "1006")
        ]


def closed(state: ForkState) -> ForkState:
    state.close(1006, "", "gateway", 200.0)
    return state


class TestCertificate:
    @pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
    def test_it_is_the_hosts_and_valid_now(self, host: str) -> None:
        made = self_signed(host)
        certificate = x509.load_pem_x509_certificate(made.pem)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

        assert [str(name.value) for name in names] == [host]
        now = datetime.now(UTC)
        assert certificate.not_valid_before_utc < now < certificate.not_valid_after_utc
        certificate.verify_directly_issued_by(certificate)
        made.server_context()

    def test_it_may_have_expired(self) -> None:
        certificate = x509.load_pem_x509_certificate(self_signed("::1", timedelta(days=-1)).pem)

        assert certificate.not_valid_after_utc < datetime.now(UTC)
        assert certificate.not_valid_before_utc < certificate.not_valid_after_utc

    def test_its_key_is_not_shown(self) -> None:
        assert "PRIVATE" not in repr(self_signed("localhost"))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--refuse", "200"], "not an HTTP status of a refusal"),
        (["--refuse", "799"], "not an HTTP status of a refusal"),
        (["--code", "1005"], "not a code to close with"),
        (["--code", "2000"], "not a code to close with"),
        (["--digits", "5x"], "keys are 0-9"),
        (["--port", "65536"], "'--port'"),
        (["--forks", "0"], "'--forks'"),
        (["--byte-order", "middle"], "'--byte-order'"),
    ],
)
def test_wrong_command_lines_are_explained(arguments: list[str], why: str) -> None:
    words = ["listen", *arguments]
    result = CliRunner().invoke(build(words), words, env={"NO_COLOR": "1", "COLUMNS": "200"})

    assert result.exit_code == 2
    assert why in result.stderr


def test_a_file_that_cannot_be_played_is_named(tmp_path: Path) -> None:
    words = ["listen", "--play", str(tmp_path / "none.wav")]
    result = CliRunner().invoke(build(words), words, env={"NO_COLOR": "1", "COLUMNS": "200"})

    assert result.exit_code == 1
    assert "none.wav" in result.stderr
