"""Delivers the callbacks of the queue, and postpones or gives up those that fail."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from callstream.callbacks.delivery import Backoff, Delivered, Delivery, Dropped, Failed
from callstream.callbacks.model import RelayCallback, decode
from callstream.callbacks.pending import PendingCallbacks
from callstream.callbacks.shares import Shares
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
        shares: counts the callbacks of each tenant that wait.
        backoff: when to try again.
        now: the clock.
        random: returns numbers from 0 to 1.
    """

    delivery: Delivery
    queue: Queue
    dead_letters: DeadLetters
    pending: PendingCallbacks
    shares: Shares
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
            self._forget(callback, message)
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
        waited = (now - _queued_at(message)).total_seconds()
        reason, delay = failed.reason, None
        if not failed.is_permanent:
            delay = self.backoff.delay(attempt, waited, self.random, failed.retry_after)
        if delay is not None and attempt == 1 and not self._may_wait(callback, message):
            reason, delay = "too_many_waiting", None
        if delay is None:
            self.dead_letters.give_up(callback, attempt, reason, message["messageId"])
            _logger.warning("callback given up: %s", reason, extra=about)
            if attempt > 1:
                self._forget(callback, message)
            return True
        self.queue.postpone(message["receiptHandle"], delay)
        _logger.info("callback postponed: %s", reason, extra={**about, "seconds": delay})
        try:
            self.pending.note(callback, attempt, reason, now, timedelta(seconds=delay))
        except Unavailable:
            _logger.warning("retry not noted", extra=about)
        return False

    def _may_wait(self, callback: RelayCallback, message: Mapping[str, Any]) -> bool:
        try:
            return self.shares.wait(callback.tenant_id, _queued_at(message))
        except Unavailable:  # an outage of ours is no reason to give up a callback
            return True

    def _forget(self, callback: RelayCallback, message: Mapping[str, Any]) -> None:
        try:
            self.pending.forget(callback.callback_id)
            self.shares.finish(callback.tenant_id, _queued_at(message))
        except Unavailable:  # note and count expire
            _logger.warning("retry note not deleted", extra={"callback_id": callback.callback_id})


def _queued_at(message: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(int(message["attributes"]["SentTimestamp"]) / 1000, UTC)
