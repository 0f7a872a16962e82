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


class Order:
    """A fault that is ordered, and how many calls it still strikes; None is all."""

    def __init__(self, fault: Fault, times: int | None) -> None:
        self.fault = fault
        self._left = times
        self._lock = Lock()

    @property
    def is_done(self) -> bool:
        """Whether the fault has struck as many calls as it is for."""
        return self._left == 0

    def strike(self) -> bool:
        """Count a call; False if the fault has struck enough of them."""
        with self._lock:
            if self.is_done:
                return False
            if self._left is not None:
                self._left -= 1
            return True


class Faults:
    """The faults that wait for calls."""

    def __init__(self) -> None:
        self._orders: list[Order] = []
        self._lock = Lock()

    def add(self, fault: Fault, times: int | None) -> None:
        """Let a fault strike so many calls; None is all. A call counts when it gets there."""
        with self._lock:
            self._orders.append(Order(fault, times))

    def clear(self) -> None:
        """Behave from now on."""
        with self._lock:
            self._orders.clear()

    def take(self, method: str) -> "CallFaults":
        """The faults that may strike a new call."""
        with self._lock:
            self._orders = [order for order in self._orders if not order.is_done]
            return CallFaults(
                [order for order in self._orders if order.fault.method in {None, method}]
            )


class CallFaults:
    """The faults of one call.

    Args:
        orders: all of them.
        over: set when the call is over, so that nothing waits for it any longer.
    """

    def __init__(self, orders: list[Order], over: Event | None = None) -> None:
        # What is wrong with a reply has no place of its own, and counts at once.
        self._orders = [
            order
            for order in orders
            if not (order.fault.audio or order.fault.reply) or order.strike()
        ]
        self.over = over or Event()

    @property
    def audio(self) -> WrongAudio | None:
        """What is wrong with the audio of the reply."""
        return next((order.fault.audio for order in self._orders if order.fault.audio), None)

    @property
    def reply(self) -> WrongReply | None:
        """What comes instead of the reply."""
        return next((order.fault.reply for order in self._orders if order.fault.reply), None)

    def reach(self, place: Place, seconds: float = 0.0) -> None:
        """Let the faults of a place strike, each once.

        Args:
            place: how far the call has come.
            seconds: how much audio has come.

        Raises:
            Refused: the call fails here.
            Gone: the call is over.
        """
        for order in [*self._orders]:
            fault = order.fault
            if fault.audio or fault.reply or fault.at != place or seconds < fault.after_s:
                continue
            self._orders.remove(order)
            if not order.strike():
                continue
            if fault.slow_s:
                self.wait(fault.slow_s)
            if fault.status is not None:
                raise Refused(fault.status, fault.details)

    def wait(self, seconds: float | None) -> None:
        """Wait; None is until the call is over.

        Raises:
            Gone: the call is over.
        """
        if self.over.wait(seconds):
            raise Gone
