"""The consumers to which the demo has its call forked, and what each got. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from callstream.dialects.events import Media, Track
from callstream.frames.records import RecordEvent
from callstream.reordering.buffer import Window
from callstream_cli import audio
from callstream_cli.audio import FRAME_BYTES, FRAME_MS
from callstream_cli.carrier.session import CallReport
from callstream_cli.gateway import fork_as_signalwire, fork_as_telnyx
from callstream_cli.listener.fork_state import ForkState
from callstream_cli.local.description import StackDescription

JOINING_SECONDS: Final = Window().seconds
"""How long a fork's first frames wait, until it is sure that none comes before them."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """Whose command makes a fork, and whose dialect it then speaks."""

    name: str
    dialect: str
    tls: bool
    """Whether its consumers must be reached over TLS."""
    ask: Callable[[StackDescription, str, str], None]
    """Gives the command for a call and the consumer's URL. Raises `GatewayError`."""


VENDORS: Final = (
    Vendor("Telnyx", "telnyx", tls=False, ask=fork_as_telnyx),
    Vendor("SignalWire", "signalwire", tls=True, ask=fork_as_signalwire),
)


@dataclass(slots=True)
class _Track:
    """What came of one track: its audio, and when each of its frames did (seconds since 1970)."""

    audio: bytearray = field(default_factory=bytearray)
    heard_at: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    joined: int | None = None


@dataclass(slots=True)
class Consumer:
    """One that takes a fork of the call. What it tells is cheap: it is shown while all goes on."""

    vendor: Vendor
    state: ForkState | None = None
    """What it hears, once the fork is there."""
    error: str | None = None
    """Why there will be no fork."""
    _tracks: dict[Track, _Track] = field(
        default_factory=lambda: {track: _Track() for track in audio.TRACKS}
    )

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        ended = self.state is not None and self.state.disconnected is not None
        return ended or self.error is not None

    @property
    def has_audio(self) -> bool:
        """Whether any audio has come."""
        return any(track.heard_at for track in self._tracks.values())

    def hear(self, state: ForkState, event: RecordEvent, at: float) -> None:
        """Take what has happened on its fork, at so many seconds since 1970."""
        self.state = state
        if isinstance(event, Media):
            track = self._tracks[event.track]
            track.audio += event.audio
            track.heard_at.append(at)

    def joined(self, report: CallReport, track: Track) -> int | None:
        """The first of a track's frames that it got, from 0.

        A fork joins a call in progress, and does not say where. It is where what was heard is in
        what was sent; None as long as that is in several places, as silence is.
        """
        of = self._tracks[track]
        if of.joined is None and of.audio:
            sent = report.audio(track)
            # What goes on to the end is at the end, wherever else it might be too.
            is_whole = self.state is not None and self.state.stop is not None
            place = sent.rfind(of.audio)
            if place >= 0 and (is_whole or sent.find(of.audio) == place):
                of.joined = place // FRAME_BYTES
        return of.joined

    def joined_seconds(self, report: CallReport) -> float | None:
        """How much of the call was over when it joined; None as long as that is not known."""
        joined = [self.joined(report, track) for track in audio.TRACKS]
        known = [frame for frame in joined if frame is not None]
        return min(known) * FRAME_MS / 1000 if known else None

    def latencies(self, report: CallReport, but_for_seconds: float = 0) -> list[float]:
        """Milliseconds from the carrier to it, for each frame but the first ones that it got."""
        left_out = round(but_for_seconds * 1000 / FRAME_MS)
        return [
            late for track in audio.TRACKS for late in self._latencies_of(report, track)[left_out:]
        ]

    def problems(self, report: CallReport) -> Sequence[str]:
        """Everything that is wrong with its fork, in words; nothing if all is well."""
        return [f"{self.vendor.name}: {problem}" for problem in self._problems(report)]

    def _latencies_of(self, report: CallReport, track: Track) -> list[float]:
        of, joined = self._tracks[track], self.joined(report, track)
        if joined is None:
            return []
        for at in of.heard_at[len(of.latencies) :]:
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
            found.append(f"the fork speaks {state.dialect or 'no dialect that is known'}")
        if state.stop is None:
            found.append("the fork has ended without a stop")
        for track in audio.TRACKS:
            heard = bytes(self._tracks[track].audio)
            if not heard:
                found.append(f"no {track} audio has come")
            elif not report.audio(track).endswith(heard):
                found.append(f"the {track} audio is not the call's from where it joined to the end")
        return found
