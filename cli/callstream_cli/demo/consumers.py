"""The consumers of the demo's forks, and the audio that each has received. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from callstream.dialects.events import Media, Track
from callstream.frames.records import RecordEvent
from callstream.reordering.window import Window
from callstream_cli import audio
from callstream_cli.audio import FRAME_BYTES, FRAME_MS
from callstream_cli.carrier.session import CallReport
from callstream_cli.gateway import fork_as_signalwire, fork_as_telnyx
from callstream_cli.listener.fork_state import ForkState
from callstream_cli.local.description import StackDescription

JOINING_SECONDS: Final = Window().seconds
"""How long a fork's first frames wait, in case earlier frames still come."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """The vendor whose command starts a fork, in whose dialect the fork then is."""

    name: str
    dialect: str
    tls: bool
    """Whether its consumers must be reached over TLS."""
    ask: Callable[[StackDescription, str, str], None]
    """Sends the command, for a call id and the consumer's URL. Raises `GatewayError`."""


VENDORS: Final = (
    Vendor("Telnyx", "telnyx", tls=False, ask=fork_as_telnyx),
    Vendor("SignalWire", "signalwire", tls=True, ask=fork_as_signalwire),
)


@dataclass(slots=True)
class _Track:
    """The audio received of one track, and the time of each frame in seconds since 1970."""

    audio: bytearray = field(default_factory=bytearray)
    received_at: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    joined: int | None = None


@dataclass(slots=True)
class Consumer:
    """A consumer of one fork. All properties are cheap, as they are displayed during the call."""

    vendor: Vendor
    state: ForkState | None = None
    """The state of the fork; None before the fork has come."""
    error: str | None = None
    """Why no fork will come."""
    _tracks: dict[Track, _Track] = field(
        default_factory=lambda: {track: _Track() for track in audio.TRACKS}
    )

    @property
    def ended(self) -> bool:
        """Whether the fork has ended, or will never come."""
        ended = self.state is not None and self.state.disconnected is not None
        return ended or self.error is not None

    @property
    def has_audio(self) -> bool:
        """Whether any audio was received."""
        return any(track.received_at for track in self._tracks.values())

    def take(self, state: ForkState, event: RecordEvent, at: float) -> None:
        """Take an event of the fork, received `at` seconds since 1970."""
        self.state = state
        if isinstance(event, Media):
            track = self._tracks[event.track]
            track.audio += event.audio
            track.received_at.append(at)

    def joined(self, report: CallReport, track: Track) -> int | None:
        """The first frame of a track that was received, from 0.

        A fork joins a call in progress, and does not say where. The place is found by looking for
        the received audio in the sent audio; None while it stands there more than once, as silence
        does.
        """
        of = self._tracks[track]
        if of.joined is None and of.audio:
            sent = report.audio(track)
            # Audio up to the end of the call stands at the end, wherever else it may stand too.
            is_whole = self.state is not None and self.state.stop is not None
            place = sent.rfind(of.audio)
            if place >= 0 and (is_whole or sent.find(of.audio) == place):
                of.joined = place // FRAME_BYTES
        return of.joined

    def joined_seconds(self, report: CallReport) -> float | None:
        """How much of the call was over when the fork joined; None while that is not known."""
        joined = [self.joined(report, track) for track in audio.TRACKS]
        known = [frame for frame in joined if frame is not None]
        return min(known) * FRAME_MS / 1000 if known else None

    def latencies(
        self, report: CallReport, begin_seconds: float = 0, end_seconds: float | None = None
    ) -> list[float]:
        """Milliseconds from the carrier to the consumer, for each frame of a part of the fork."""
        begin = round(begin_seconds * 1000 / FRAME_MS)
        end = None if end_seconds is None else round(end_seconds * 1000 / FRAME_MS)
        return [
            late for track in audio.TRACKS for late in self._latencies_of(report, track)[begin:end]
        ]

    def problems(self, report: CallReport) -> Sequence[str]:
        """All faults of the fork, in words; empty if there are none."""
        return [f"{self.vendor.name}: {problem}" for problem in self._problems(report)]

    def _latencies_of(self, report: CallReport, track: Track) -> list[float]:
        of, joined = self._tracks[track], self.joined(report, track)
        if joined is None:
            return []
        for at in of.received_at[len(of.latencies) :]:
            # Chunks are numbered from 1.
            sent_at = report.frame_sent_at(track, joined + len(of.latencies) + 1)
            if sent_at is None:
                break
            of.latencies.append((at - sent_at) * 1000)
        return of.latencies

    def _problems(self, report: CallReport) -> Sequence[str]:
        state = self.state
        if self.error or state is None:
            return [self.error or "no fork has come"]
        found = [f"{count} {what}" for what, count in state.faults.items()]
        if state.dialect != self.vendor.dialect:
            found.append(f"the fork is in {state.dialect or 'no known dialect'}")
        if state.stop is None:
            found.append("the fork has ended without a stop")
        for track in audio.TRACKS:
            received = bytes(self._tracks[track].audio)
            if not received:
                found.append(f"no {track} audio has come")
            elif not report.audio(track).endswith(received):
                found.append(f"the {track} audio is not the call's from where it joined to the end")
        return found
