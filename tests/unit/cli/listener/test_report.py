"""Reports about forks, for scripts and for people."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from callstream.audio.formats import AudioFormat
from callstream.dialects.events import (
    Clear,
    Dtmf,
    Mark,
    ReturnDtmf,
    ReturnMark,
    ReturnMedia,
    Stop,
)
from callstream.frames.reader import StreamOver
from callstream_cli.carrier.plan import CallPlan, Faults
from callstream_cli.listener import report
from callstream_cli.listener.fork_state import ForkState
from callstream_cli.reading.tail_output import Shown
from tests.unit.cli.listener.forks import BOTH, media, received, received_call, start


class TestReport:
    def test_report_has_the_figures(self) -> None:
        state = received(
            start(), media(2, chunk=1), Mark(sequence=3, name="m"), "{", Stop(4, "CA1", "AC1")
        )
        state.sent.add(ReturnMedia(b"abc"))
        for event in (ReturnMark("m"), Clear(), ReturnDtmf("5"), None):
            state.sent.add(event)
        state.close(1000, "", "listener", 101.0)

        written = report.as_dict(state, [Path("a.wav")])

        assert json.loads(json.dumps(written)) == {
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
        ("codec", "seconds"),
        [
            ("PCMU", 0.5),
            ("PCMA", 0.5),
            ("L16", 0.25),
            ("G722", 0.5),
            ("OPUS", 0.01),  # one packet, whose first byte says 10 ms
            ("audio/x-new", None),
        ],
    )
    def test_duration_depends_on_the_codec(self, codec: str, seconds: float | None) -> None:
        format_ = AudioFormat(encoding=codec, sample_rate=8000, channels=1)
        state = received(start(format_), media(2, chunk=1, sound=bytes(4000)), dialect="telnyx")

        assert report.as_dict(state)["audio_seconds"] == seconds

    def test_personal_data_are_reported_only_on_request(self) -> None:
        opening = start(
            from_number="+1PRIVATE", client_state="PRIVATE", parameters={"a": "PRIVATE"}
        )
        key = Dtmf(sequence=2, track="inbound", digit="7")
        state = received(opening, key)
        for personal in (False, True):
            lines = [
                report.as_dict(state, personal=personal),
                *(
                    report.event_as_dict(state, event, 0, Shown(personal=personal))
                    for event in (*state.events, StreamOver("disconnected"))
                ),
            ]
            written = json.dumps(lines)
            assert ("PRIVATE" in written) is personal
            assert ('"7"' in written) is personal

    def test_event_is_reported_with_its_fork(self) -> None:
        state = received(start(), media(2, chunk=1))

        written = report.event_as_dict(state, state.in_order[1], 1_795_262_400_000, Shown())

        assert written == {
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

    def test_summary_of_a_whole_fork_says_so(self) -> None:
        assert "whole and in order" in report.summary(received_call(CallPlan(BOTH)))
        assert report.summary(closed(received(start()))).endswith(
            "; closed with 1006 (the connection broke, or its code is not known) by the other side,"
            " without a stop"
        )
        assert report.summary(received()) == (
            "fork-1  no known dialect; no frames; whole and in order; open"
        )

    def test_table_of_forks_fits_a_narrow_terminal(self) -> None:
        plan = CallPlan(BOTH, Faults(drop=0.2), carrier="signalwire", seed=1)
        console = Console(width=80, file=StringIO())
        forks = [received_call(plan), closed(received(start(), Mark(sequence=2, name="hello")))]

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
