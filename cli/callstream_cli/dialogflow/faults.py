"""Misbehaviour of the service, as data."""

from dataclasses import dataclass
from threading import Event, Lock
from typing import Literal

import grpc

from callstream_cli.dialogflow.refused import Gone, Refused

Place = Literal["start", "audio", "utterance", "reply", "end"]
"""Where a fault strikes: at the request's first message; after seconds of audio; where an utterance
ends, before the client learns of that; before the reply; after the final reply. Requests without a
stream have the first and the two last places only."""

WrongAudio = Literal["wav", "rate", "codec"]
"""Audio with a WAV header; at 16 kHz; in another codec than asked for."""

WrongReply = Literal["none", "hang", "endless"]
"""No reply, and the call ends with OK; nothing at all any more; partial replies without an end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault of one call of a method; several may strike the same call."""

    method: str | None = None
    """The name of an RPC, such as `StreamingAnalyzeContent`; None is any."""
    at: Place = "start"
    after_s: float = 0.0
    """For `at="audio"`: after so many seconds of audio."""
    slow_s: float = 0.0
    """Wait so many seconds there."""
    status: grpc.StatusCode | None = None
    """End the call there with this status."""
    details: str = "this failure was ordered"
    audio: WrongAudio | None = None
    """What is wrong with the audio of the reply."""
    reply: WrongReply | None = None
    """What comes instead of the reply."""


class Faults:
    """The faults that wait for calls."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Fault, int | None]] = []
        self._lock = Lock()

    def add(self, fault: Fault, times: int | None) -> None:
        """Let a fault strike so many calls; None is all."""
        with self._lock:
            self._waiting.append((fault, times))

    def clear(self) -> None:
        """Behave from now on."""
        with self._lock:
            self._waiting.clear()

    def take(self, method: str) -> "CallFaults":
        """The faults of a new call."""
        taken: list[Fault] = []
        kept: list[tuple[Fault, int | None]] = []
        with self._lock:
            for fault, times in self._waiting:
                strikes = fault.method in {None, method}
                left = times - 1 if strikes and times is not None else times
                if strikes:
                    taken.append(fault)
                if left != 0:
                    kept.append((fault, left))
            self._waiting = kept
        return CallFaults(taken)


class CallFaults:
    """The faults of one call.

    Args:
        faults: all of them.
        over: set when the call is over, so that nothing waits for it any longer.
    """

    def __init__(self, faults: list[Fault], over: Event | None = None) -> None:
        self._faults = faults
        self.over = over or Event()

    @property
    def audio(self) -> WrongAudio | None:
        """What is wrong with the audio of the reply."""
        return next((each.audio for each in self._faults if each.audio), None)

    @property
    def reply(self) -> WrongReply | None:
        """What comes instead of the reply."""
        return next((each.reply for each in self._faults if each.reply), None)

    def reach(self, place: Place, seconds: float = 0.0) -> None:
        """Let the faults of a place strike, each once.

        Args:
            place: how far the call has come.
            seconds: how much audio has come.

        Raises:
            Refused: the call fails here.
            Gone: the call is over.
        """
        for fault in [*self._faults]:
            if fault.at != place or seconds < fault.after_s:
                continue
            if fault.slow_s:
                self.wait(fault.slow_s)
            if fault.status is not None:
                raise Refused(fault.status, fault.details)
            if not fault.audio and not fault.reply:
                self._faults.remove(fault)

    def wait(self, seconds: float | None) -> None:
        """Wait; None is until the call is over.

        Raises:
            Gone: the call is over.
        """
        if self.over.wait(seconds):
            raise Gone
