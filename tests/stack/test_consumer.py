"""The commands that read streams, typed as a person types them, on calls of the gateway."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import wave
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import audioop
import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]

from callstream.audio.formats import PCMU_8K
from callstream.audio.packetizer import pieces
from callstream.dialects import DIALECTS
from callstream.dialects.events import Media, Track
from callstream.frames.reader import Selection, StreamOver
from callstream.reading import follow
from callstream_cli import audio
from callstream_cli.carrier.plan import CallPlan, Carrier, Fate, Faults
from callstream_cli.carrier.session import CallReport, place_call
from callstream_cli.gateway import media_url
from callstream_cli.listener.behaviour import Behaviour
from callstream_cli.listener.server import Listener
from callstream_cli.local import aws
from tests.stack.conftest import DeployedStack, Tape, eventually
from tests.unit.cli.tones import TONE_HZ, decibels, pitch, tone

CALLSTREAM = Path(sys.executable).with_name("callstream")
FRAME = 160


def noise(seconds: int, seed: int) -> bytes:
    """Audio in which every frame differs from every other."""
    return Random(seed).randbytes(seconds * 50 * FRAME)  # noqa: S311


class Terminal:
    """A terminal whose local stack is the one under test."""

    def __init__(self, stack: DeployedStack, directory: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if name != "CALLSTREAM_STACK"}
        self._env = kept | {"CALLSTREAM_STATE_DIR": str(stack.state_dir)}
        self._directory = directory

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a command."""
        return subprocess.Popen(
            [CALLSTREAM, *arguments],
            env=self._env,
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def type_in(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command; its status, and what it says."""
        with self.start(*arguments) as process:
            out, err = process.communicate()
        return process.returncode, out, err

    def json(self, *arguments: str) -> Any:
        """Run a command that succeeds; its answer."""
        status, out, err = self.type_in(*arguments, "--json")
        assert (status, err) == (0, "")
        return json.loads(out)

    def together(self, commands: Sequence[Sequence[str]]) -> list[Any]:
        """Run commands at the same time that answer in JSON; their answers."""
        processes = [self.start(*arguments) for arguments in commands]
        outputs = [process.communicate()[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * len(commands)
        return [json.loads(out) for out in outputs]

    def tail(self, *arguments: str) -> list[dict[str, Any]]:
        """Run `tail` until it ends; its lines."""
        status, out, err = self.type_in("tail", *arguments, "--json")
        assert (status, err) == (0, "")
        return [json.loads(line) for line in out.splitlines()]


@dataclass(frozen=True)
class Call:
    """A call with faults that is all on Kinesis."""

    stream_id: str
    plan: CallPlan
    report: CallReport

    def kept(self, track: Track) -> bytes:
        """A track with silence where frames were dropped."""
        said = self.report.audio(track)
        kept = bytearray()
        sent = {said[at : at + FRAME] for at in range(0, len(said), FRAME)}
        planned = self.plan.tracks[track]
        assert isinstance(planned, bytes)
        for frame in pieces(planned, PCMU_8K):
            # Every frame differs from every other.
            kept += frame if frame in sent else audio.SILENCE * FRAME
        return bytes(kept.rstrip(audio.SILENCE))


@pytest.fixture
def terminal(stack: DeployedStack, tmp_path: Path) -> Terminal:
    return Terminal(stack, tmp_path)


@pytest.fixture(scope="module")
def call(stack: DeployedStack) -> Call:
    """A call of 2 seconds, shuffled, repeated and lossy."""
    plan = CallPlan(
        {"inbound": noise(2, 11), "outbound": noise(2, 12)},
        Faults(shuffle=20, duplicate=0.2, drop=0.1),
        digits="42",
        parameters={"agent": "7"},
        seed=5,
    )
    return _placed(stack, plan)


def _placed(stack: DeployedStack, plan: CallPlan) -> Call:
    """Place a call, and wait until all of it is on Kinesis."""
    reader = stack.reader("LATEST")
    url = media_url(stack.description, "autotranscribe")
    report = asyncio.run(place_call(url, plan, speed=0))
    assert report.error is None
    ids: dict[str, str] = {}

    def closed() -> str | None:
        for arrival in reader.poll():
            record: Any = arrival.record
            call_id = getattr(record.event, "call_id", None)
            if call_id == report.identity.call_id:
                ids["ours"] = record.stream_id
            if type(record.event).__name__ == "Disconnected":
                ids[record.stream_id] = "closed"
        return ids["ours"] if ids.get(ids.get("ours", "")) else None

    return Call(eventually(closed), plan, report)


def _frames(lines: list[dict[str, Any]], track: Track) -> bytes:
    events = [line["event"] for line in lines]
    return b"".join(
        b64decode(event["audio"])
        for event in events
        if event["kind"] == "media" and event["track"] == track
    )


def test_tail_shows_everything_in_order(terminal: Terminal, call: Call) -> None:
    assert call.report.fates[Fate.DROPPED] > 0
    assert call.report.fates[Fate.DUPLICATE] > 0

    lines = terminal.tail("--from", "start", "--stream-id", call.stream_id, "--audio")

    assert {line["stream_id"] for line in lines} == {call.stream_id}
    kinds = [line["event"]["kind"] for line in lines]
    assert (kinds[0], kinds[-3:]) == ("connected", ["stop", "disconnected", "over"])
    numbers = [line["event"]["sequence"] for line in lines if "sequence" in line["event"]]
    assert numbers == sorted(set(numbers))
    for track in audio.TRACKS:
        assert _frames(lines, track) == call.report.audio(track)
    over = lines[-1]["event"]
    assert over["skipped"] == call.report.fates[Fate.DROPPED]
    assert over["repeats"] == call.report.fates[Fate.DUPLICATE]
    assert "digit" not in str(lines)


def test_tail_follows_a_call_live_until_it_is_interrupted(
    stack: DeployedStack, terminal: Terminal
) -> None:
    plan = CallPlan({"inbound": noise(1, 13)}, digits="9")
    with terminal.start("tail", "--from", "start", "--tenant", "demo") as process:
        assert process.stdout is not None
        placed = _placed(stack, plan)
        said: list[str] = []
        while not (said and f"{placed.stream_id}  over" in said[-1]):
            said.append(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert (process.wait(), process.stderr.read() if process.stderr else "") == (130, "")

    ours = [line.split("  ", 2)[2].strip() for line in said if placed.stream_id in line]
    assert ours[0] == "connected  Call  1.0.0"
    assert ours[1].startswith(f"start  call {placed.report.identity.call_id}")
    assert ours[-3] == "stop"
    assert ours[-1] == "over (disconnected)  50 inbound frames"
    assert "dtmf  a key, inbound" in ours


def test_python_reads_a_call_in_order(stack: DeployedStack, call: Call) -> None:
    name, selection = stack.description["frames_stream"], Selection(call_id=_call_id(call.plan))
    with aws.talking_to(stack.description["aws_endpoint_url"]):
        events = follow(name, selection, "TRIM_HORIZON")
    said = [next(events)]
    while not isinstance(said[-1].event, StreamOver):
        said.append(next(events))

    assert {happening.stream.stream_id for happening in said} == {call.stream_id}
    for track in audio.TRACKS:
        frames = [
            event.audio for _, event in said if isinstance(event, Media) and event.track == track
        ]
        assert b"".join(frames) == call.report.audio(track)


def test_tail_shows_times_and_reports_missing_streams(terminal: Terminal, call: Call) -> None:
    named = ("--from", "start", "--no-follow", "--stream-id")
    lines = terminal.tail(*named, call.stream_id)
    sent_at = [at * 1000 for at in call.report.sent_at.values()]

    times = [line["received_at"] for line in lines if line["event"]["kind"] == "media"]
    # The stream's own clock; ours and the emulator's are one.
    assert min(sent_at) - 1000 < min(times) <= max(times)
    status, out, _ = terminal.type_in("tail", *named, call.stream_id)
    assert status == 0
    first = datetime.fromtimestamp(lines[0]["received_at"] / 1000, UTC)
    assert out.startswith(f"{first:%H:%M:%S}  {call.stream_id}  connected")
    for option in ("--stream-id", "--call", "--tenant"):
        assert terminal.type_in("tail", "--from", "start", "--no-follow", option, "nope") == (
            1,
            "",
            "callstream: there is nothing of nope on the stream (from start)\n",
        )


def test_tail_ends_without_a_message_when_its_reader_has_gone(
    stack: DeployedStack, terminal: Terminal
) -> None:
    with terminal.start("tail", "--from", "start") as tail:
        assert tail.stdout is not None
        assert tail.stderr is not None
        tail.stdout.readline()
        tail.stdout.close()
        _placed(stack, CallPlan({"inbound": noise(1, 15)}))
        assert (tail.wait(), tail.stderr.read()) == (141, "")


def test_record_is_bit_exact_with_silence_for_lost_frames(
    terminal: Terminal, call: Call, tmp_path: Path
) -> None:
    told = terminal.json("record", call.report.identity.call_id, "-o", "pcm.wav")
    terminal.json("record", call.stream_id, "--native", "-o", "native.wav")

    native = audio.load(tmp_path / "native.wav")
    for track in audio.TRACKS:
        assert native[track].rstrip(audio.SILENCE) == call.kept(track)
    with wave.open(str(tmp_path / "pcm.wav")) as reader:
        assert reader.getparams()[:3] == (2, 2, 8000)
        pcm = reader.readframes(reader.getnframes())
    interleaved = bytes(
        byte for pair in zip(native["inbound"], native["outbound"], strict=True) for byte in pair
    )
    assert pcm == audioop.ulaw2lin(interleaved, 2)
    [stream] = told["streams"]
    assert stream["missing"] == call.report.fates[Fate.DROPPED]
    assert stream["frames"] == dict(call.report.frames)
    assert stream["ended"] is True


def test_recorded_call_of_another_codec_sounds_like_the_file(
    terminal: Terminal, tmp_path: Path
) -> None:
    said = tone(48_000)
    soundfile.write(tmp_path / "tone.wav", said, 48_000)
    rates = {"G722": 16_000, "OPUS": 16_000, "L16@24000": 24_000}
    call = ("call", "tone.wav", "--carrier", "telnyx", "--json", "--codec")

    placed = terminal.together([(*call, codec) for codec in rates])
    names = [report["call_control_id"] for [report] in placed]
    told = terminal.together(
        [("record", name, "--follow", "--json", "-o", f"{at}.wav") for at, name in enumerate(names)]
    )

    for at, ((codec, rate), recorded) in enumerate(zip(rates.items(), told, strict=True)):
        heard, of_file = soundfile.read(tmp_path / f"{at}.wav", dtype="int16")
        left, right = heard.T
        [stream] = recorded["streams"]
        assert (stream["codec"], stream["missing"]) == (codec.partition("@")[0], 0)
        assert of_file == rate
        assert not right.any()
        assert pitch(left, rate) == pytest.approx(TONE_HZ, abs=3)
        assert decibels(left) == pytest.approx(decibels(said), abs=1)
        assert recorded["seconds"] == pytest.approx(1, abs=0.021)
        assert stream["tracks"]["inbound"]["undecodable"] == 0


def test_record_overwrites_nothing_and_reports_missing_calls(
    terminal: Terminal, call: Call, tmp_path: Path
) -> None:
    status, out, _ = terminal.type_in("record", call.stream_id)
    assert (status, out.partition(",")[0]) == (0, str(tmp_path / f"{call.stream_id}.wav"))

    status, _, err = terminal.type_in("record", call.stream_id)
    assert (status, "--force overwrites it" in err) == (1, True)
    assert terminal.type_in("record", call.stream_id, "-o", "none/a.wav") == (
        1,
        "",
        f"callstream: no file can be made in {tmp_path / 'none'}\n",
    )
    assert terminal.type_in("record", call.stream_id, "--force")[0] == 0
    assert terminal.type_in("record", "CA-nobody") == (
        1,
        "",
        "callstream: there is nothing of CA-nobody on the stream (from start)\n",
    )


def test_raw_files_are_not_overwritten(terminal: Terminal, call: Call) -> None:
    raw = ("record", call.stream_id, "--raw", "raw")
    assert terminal.type_in(*raw)[0] == 0

    status, _, err = terminal.type_in(*raw)
    assert (status, "--force overwrites it" in err) == (1, True)
    assert terminal.type_in(*raw, "--force")[0] == 0


def test_record_follows_a_call_until_its_end(
    stack: DeployedStack, terminal: Terminal, tmp_path: Path
) -> None:
    plan = CallPlan({"inbound": noise(1, 14)}, seed=77)
    with terminal.start("record", "--follow", "--native", "-o", "f.wav", _call_id(plan)) as process:
        _placed(stack, plan)
        process.communicate()

    assert process.returncode == 0
    assert audio.load(tmp_path / "f.wav")["inbound"] == plan.tracks["inbound"]


def _call_id(plan: CallPlan) -> str:
    return Carrier(plan).identity.call_id


@pytest.mark.parametrize("dialect", DIALECTS)
def test_replay_into_the_gateway_is_bit_exact(
    stack: DeployedStack, terminal: Terminal, tape: Tape, call: Call, dialect: str
) -> None:
    url = media_url(stack.description, "genagent")
    options = ["--to", url, "--dialect", dialect, "--speed", "0"]

    told = terminal.json("replay", call.stream_id, *options)

    stream = tape.stream_of(call.report.identity.call_id)
    assert stream.start is not None
    assert stream.start.carrier_stream_id == told["carrier_stream_id"]
    assert stream.start.parameters == {"agent": "7"}
    assert stream.connected is not None
    assert (stream.stats().missing, stream.stats().rejected) == (0, 0)
    for track in audio.TRACKS:
        assert stream.audio(track) == call.report.audio(track)
    assert [event.digit for event in stream.events() if hasattr(event, "digit")] == ["4", "2"]
    assert (told["frames"], told["close_code"]) == (sum(call.report.frames.values()), 1000)


def test_refused_replay_is_explained(stack: DeployedStack, terminal: Terminal, call: Call) -> None:
    url = stack.media_url("nonsense")

    status, _, err = terminal.type_in("replay", call.stream_id, "--to", url)

    assert status == 1
    assert "callstream: ws://" in err
    assert "the URL's token is wrong" in err
    assert "nonsense" not in err
    assert terminal.type_in("replay", "nobody", "--to", url)[0] == 1


def test_recording_has_on_the_right_what_the_caller_hears_of_an_echo(
    terminal: Terminal, tmp_path: Path
) -> None:
    """The carrier sends inbound alone; the simulator's own file is what the caller hears."""
    spoken = tmp_path / "spoken.wav"
    spoken.write_bytes(audio.wav("pcm16", 1, 8000, tone(8000, seconds=5).tobytes()))

    async def call() -> tuple[int, str, str]:
        async with Listener(Behaviour(echo=True)) as listener:
            options = ["--carrier", "telnyx", "--fork", listener.url, "--hold", "3"]
            return await asyncio.to_thread(
                terminal.type_in, "call", str(spoken), *options, "--save", "heard.wav"
            )

    status, out, err = asyncio.run(call())
    assert (status, err) == (0, "")
    [name] = re.findall(r"^call (\S+), stream \S+$", out.splitlines()[0])
    recorded = terminal.json("record", name, "--follow", "-o", "recorded.wav")
    tracks = recorded["streams"][0]["tracks"]
    assert {track: tracks[track]["answers"] for track in tracks} == {
        "inbound": False,
        "outbound": True,
    }
    heard, right = _speech(tmp_path / "heard.wav", 0), _speech(tmp_path / "recorded.wav", 1)
    assert right[0] == pytest.approx(heard[0], abs=0.3)
    for _, samples in (heard, right):
        assert len(samples) > 8000
        assert pitch(samples, 8000) == pytest.approx(TONE_HZ, abs=2)
        assert decibels(samples) == pytest.approx(decibels(tone(8000)), abs=1)
    assert len(right[1]) == pytest.approx(len(heard[1]), abs=800)


def test_call_of_another_tenant_is_forked_with_credentials_for_the_meantime(
    terminal: Terminal, consumer_url: str
) -> None:
    assert terminal.type_in("tenants", "create", "acting", "--name", "Acting")[0] == 0
    options = ("--tenant", "acting", "--call-id", "CA-acting", "--hold", "1")
    fork = ("--fork", consumer_url, "--dialect", "twilio")

    status, out, err = terminal.type_in("call", *options, *fork, "--speed", "20")

    assert (status, err) == (0, "")
    assert out.startswith("call CA-acting, stream ")
    assert terminal.json("calls", "show", "CA-acting")["tenant_id"] == "acting"
    [relay] = terminal.json("calls", "show", "CA-acting")["relays"]
    assert relay["surface"] == "twilio"
    assert terminal.json("credentials", "list", "acting") == []


def _speech(file: Path, channel: int) -> tuple[float, Any]:
    """From the first to the last loud sample of a channel; when that begins, in seconds."""
    with wave.open(str(file)) as reader:
        assert reader.getframerate() == 8000
        samples = np.frombuffer(reader.readframes(reader.getnframes()), "<i2")
        samples = samples[channel :: reader.getnchannels()]
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 1000)
    return loud[0] / 8000, samples[loud[0] : loud[-1]]
