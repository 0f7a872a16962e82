"""Delivers the callbacks of the queue, and postpones or gives up those that fail."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from callstream.callbacks.delivery import Backoff, Delivered, Delivery, Dropped, Failed
from callstream.callbacks.model import RelayCallback, decode
from callstream.callbacks.pending import PendingCallbacks
from callstream.errors import Unavailable

_logger = logging.getLogger("callstream")


class Queue(Protocol):
    """The queue that callbacks are received from."""

    def postpone(self, receipt_handle: str, seconds: int) -> None:
        """Let a received callback, and the callbacks behind it, wait. Raises `Unavailable`."""


class DeadLetters(Protocol):
    """The queue of callbacks that were given up."""

    def give_up(self, callback: RelayCallback, attempts: int, reason: str, message_id: str) -> None:
        """Give up a callback; `message_id` is the id of its message. Raises `Unavailable`."""


@dataclass(frozen=True, slots=True)
class CallbackWorker:
    """Delivers callbacks as Lambda receives them from the queue.

    Args:
        delivery: sends a callback.
        queue: the queue that the callbacks come from.
        dead_letters: the queue of callbacks that are given up.
        pending: shows the operator the callbacks that wait for another attempt.
        backoff: when to try again.
        now: the clock.
        random: returns numbers from 0 to 1.
    """

    delivery: Delivery
    queue: Queue
    dead_letters: DeadLetters
    pending: PendingCallbacks
    backoff: Backoff
    now: Callable[[], datetime]
    random: Callable[[], float]

    def take(self, message: Mapping[str, Any]) -> bool:
        """Try to deliver a callback.

        Args:
            message: one of the records of an SQS event.

        Returns:
            Whether the callback is finished, so that SQS may delete the message.

        Raises:
            Unavailable: SQS did not answer. SQS delivers the message again after a while.
        """
        callback = decode(message["body"])
        attempt = int(message["attributes"]["ApproximateReceiveCount"])
        about = {
            "callback_id": callback.callback_id,
            "relay_id": callback.relay.relay_id,
            "tenant_id": callback.tenant_id,
            "callback": f"{callback.surface} {callback.event}",
            "attempt": attempt,
        }
        try:
            outcome = self.delivery.deliver(callback, attempt, self.now)
        except Unavailable as missing:
            outcome = Failed(f"{missing.service}_unavailable", is_permanent=False)
        match outcome:
            case Delivered(status=status):
                _logger.info("callback delivered", extra=about | {"status": status})
            case Dropped(reason=reason):
                _logger.info("callback dropped: %s", reason, extra=about)
            case Failed():
                return self._failed(callback, message, attempt, outcome, about)
        if attempt > 1:
            self._forget(callback)
        return True

    def _failed(
        self,
        callback: RelayCallback,
        message: Mapping[str, Any],
        attempt: int,
        failed: Failed,
        about: Mapping[str, Any],
    ) -> bool:
        now = self.now()
        queued_at = datetime.fromtimestamp(int(message["attributes"]["SentTimestamp"]) / 1000, UTC)
        delay = None
        if not failed.is_permanent:
            delay = self.backoff.delay(
                attempt,
                (now - queued_at).total_seconds(),
                self.random,
                failed.retry_after,
            )
        if delay is None:
            self.dead_letters.give_up(callback, attempt, failed.reason, message["messageId"])
            _logger.warning("callback given up: %s", failed.reason, extra=about)
            if attempt > 1:
                self._forget(callback)
            return True
        self.queue.postpone(message["receiptHandle"], delay)
        _logger.info("callback postponed: %s", failed.reason, extra={**about, "seconds": delay})
        try:
            self.pending.note(callback, attempt, failed.reason, now, timedelta(seconds=delay))
        except Unavailable:
            _logger.warning("retry not noted", extra=about)
        return False

    def _forget(self, callback: RelayCallback) -> None:
        try:
            self.pending.forget(callback.callback_id)
        except Unavailable:  # the note expires
            _logger.warning("retry note not deleted", extra={"callback_id": callback.callback_id})
