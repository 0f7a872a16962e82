"""Takes callbacks out of their queue, and does with each what its delivery makes necessary."""

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


class Waiting(Protocol):
    """The queue that callbacks are received from."""

    def put_off(self, receipt_handle: str, seconds: int) -> None:
        """Let a callback that was received, and those behind it, wait. Raises `Unavailable`."""


class Dead(Protocol):
    """Where callbacks rest that were given up."""

    def bury(self, callback: RelayCallback, attempts: int, reason: str, message_id: str) -> None:
        """Give up a callback, received by the message of this id. Raises `Unavailable`."""


@dataclass(frozen=True, slots=True)
class CallbackWorker:
    """Takes callbacks from their queue as Lambda hands them over, and does with each what it needs.

    Args:
        delivery: delivers them.
        queue: where they come from.
        dead: where those go that are given up.
        pending: tells the operator of those that are not.
        backoff: when they are tried again.
        now: the clock.
        random: gives numbers from 0 to 1.
    """

    delivery: Delivery
    queue: Waiting
    dead: Dead
    pending: PendingCallbacks
    backoff: Backoff
    now: Callable[[], datetime]
    random: Callable[[], float]

    def take(self, message: Mapping[str, Any]) -> bool:
        """Try a callback; whether it is done with, so that SQS may forget it.

        Args:
            message: one of the records of an SQS event.

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
                failed.again_after,
            )
        if delay is None:
            self.dead.bury(callback, attempt, failed.reason, message["messageId"])
            _logger.warning("callback given up: %s", failed.reason, extra=about)
            if attempt > 1:
                self._forget(callback)
            return True
        self.queue.put_off(message["receiptHandle"], delay)
        _logger.info("callback put off: %s", failed.reason, extra={**about, "seconds": delay})
        try:
            self.pending.note(callback, attempt, failed.reason, now, timedelta(seconds=delay))
        except Unavailable:
            _logger.warning("not noted", extra=about)
        return False

    def _forget(self, callback: RelayCallback) -> None:
        try:
            self.pending.forget(callback.callback_id)
        except Unavailable:  # it expires
            _logger.warning("not forgotten", extra={"callback_id": callback.callback_id})
