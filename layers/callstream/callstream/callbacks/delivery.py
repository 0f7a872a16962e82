"""Delivers callbacks: finds the address, reads the answer, and decides when to try again.

A callback is tried until the tenant's server takes it (2xx), for half a day. A permanent failure
ends the attempts at once. The dead-letter queue keeps the failed callbacks.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple, Protocol

from msgspec import Struct
from msgspec.structs import replace

from callstream.callbacks.model import CallbackRequest, RelayCallback
from callstream.callbacks.shares import Shares, Slot
from callstream.callbacks.vendors import VENDORS
from callstream.destinations import (
    Destination,
    ForbiddenDestination,
    Resolver,
    UnknownHost,
    vet,
    without_credentials,
)
from callstream.errors import CallstreamError, Unavailable
from callstream.tenants.directory import Directory

_logger = logging.getLogger(__name__)

SCHEMES: Final = frozenset({"http", "https"})

# 4xx statuses worth retrying: a slow request, an early request, and too many requests.
_RETRIABLE: Final = frozenset({408, 425, 429})
_OK: Final = range(200, 300)
_SERVER_ERRORS: Final = range(500, 600)
_REDIRECTS: Final = range(300, 400)


class NoAnswer(CallstreamError):
    """A request was not answered. `reason` is one of `timeout`, `connection`, `tls`, `no_http`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class HttpAnswer(NamedTuple):
    """A server's answer; `retry_after` is the value of that header."""

    status: int
    retry_after: str | None = None


class HttpClient(Protocol):
    """Sends requests, each over a connection of its own, and follows no redirects."""

    def send(self, request: CallbackRequest, destination: Destination) -> HttpAnswer:
        """Send a request to a destination that was vetted.

        Raises:
            NoAnswer: no answer came in time.
        """


class Delivered(NamedTuple):
    """The tenant's server has taken the callback."""

    status: int


class Dropped(NamedTuple):
    """The callback goes nowhere. `reason` is `no_tenant` or `no_url`."""

    reason: str


class Failed(NamedTuple):
    """No server has taken the callback.

    `reason` is one of those of docs/operations.md, and holds nothing of the URL. `retry_after` is
    how many seconds the server asks us to wait; None if it does not ask.
    """

    reason: str
    is_permanent: bool
    retry_after: float | None = None


type DeliveryOutcome = Delivered | Dropped | Failed


class Backoff(Struct, frozen=True):
    """When to try again: after a random delay below a bound that doubles each time. In seconds.

    The whole delay is random ("full jitter"), so that callbacks that failed together spread out.
    The default values make some 30 attempts in 12 hours.
    """

    first: float = 5
    longest: float = 3600
    give_up_after: float = 12 * 3600
    """Counted from when the callback was queued."""

    def delay(
        self,
        attempt: int,
        waited: float,
        random: Callable[[], float],
        retry_after: float | None = None,
    ) -> int | None:
        """How many whole seconds to wait, at least one; None to give up.

        Args:
            attempt: how many attempts there were.
            waited: seconds since the callback was queued.
            random: returns numbers from 0 to 1.
            retry_after: how many seconds the server asks for; respected up to the longest delay.
        """
        # A power of more than 60 overflows, and the bound is long reached.
        bound = min(self.longest, self.first * 2.0 ** min(attempt - 1, 60))
        delay = max(bound * random(), min(retry_after or 0, self.longest), 1)
        return None if waited + delay > self.give_up_after else round(delay)


class Delivery:
    """Delivers callbacks.

    Args:
        directory: the tenants, with their webhooks.
        master: reads the secret that the keys follow from. Raises `Unavailable`.
        client: sends the requests.
        resolve: asks the name service.
        shares: counts the deliveries in flight.
        local: also deliver to this machine itself; for the local stack alone.
    """

    def __init__(
        self,
        directory: Directory,
        master: Callable[[], str],
        client: HttpClient,
        resolve: Resolver,
        shares: Shares,
        *,
        local: bool = False,
    ) -> None:
        self._directory = directory
        self._master = master
        self._client = client
        self._resolve = resolve
        self._shares = shares
        self._local = local

    def deliver(
        self, callback: RelayCallback, attempt: int, now: Callable[[], datetime]
    ) -> DeliveryOutcome:
        """Try to deliver a callback, once; if the first URL fails for now, at the failover too.

        If the tenant has too many callbacks in flight, nothing is sent. The failover is for a
        webhook that is down. A webhook that refuses has been reached, and the failover does not
        overrule it.

        Args:
            callback: the callback.
            attempt: the attempt number, starting at 1.
            now: the clock; signatures have a time.

        Raises:
            Unavailable: a table or secret did not answer.
        """
        tenant = self._directory.tenant(callback.tenant_id)
        if tenant is None:
            return Dropped("no_tenant")
        vendor = VENDORS[callback.surface]
        urls = () if vendor is None else tuple(vendor.urls(callback, tenant))
        if vendor is None or not urls:
            return Dropped("no_url")
        most = tenant.running.callbacks_in_flight
        slot = self._shares.begin(tenant.tenant_id, most, now())
        if slot is None:
            return Failed("too_many_in_flight", is_permanent=False)
        signed = (
            vendor.sign(
                vendor.request(callback, tenant, attempt, url),
                self._master(),
                tenant.callback_key_id,
                now(),
            )
            for url in urls
        )
        try:
            return self._try_each(signed, now)
        finally:
            self._end(slot, now())

    def _try_each(
        self, requests: Iterable[CallbackRequest], now: Callable[[], datetime]
    ) -> Delivered | Failed:
        """Send at least one request: until a server takes it, or the first refuses it."""
        failures: list[Failed] = []
        for request in requests:
            outcome = self._try(request, now)
            if isinstance(outcome, Delivered):
                return outcome
            failures.append(outcome)
            if failures[0].is_permanent:
                break
        # The first URL's failure decides: a fault of the failover alone may not matter.
        return failures[0]

    def _end(self, slot: Slot, now: datetime) -> None:
        try:
            self._shares.end(slot, now)
        except Unavailable:  # the count expires with its minute
            _logger.warning("delivery still counted")

    def _try(self, request: CallbackRequest, now: Callable[[], datetime]) -> Delivered | Failed:
        if not request.url.isascii():  # requests have no single way to write such a URL
            return Failed("forbidden_not_a_url", is_permanent=True)
        try:
            destination = vet(request.url, SCHEMES, self._resolve, local=self._local)
            answer = self._client.send(_authorized(request), destination)
        except ForbiddenDestination as forbidden:
            return Failed(f"forbidden_{forbidden.reason}", is_permanent=True)
        except UnknownHost:
            return Failed("unknown_host", is_permanent=False)
        except NoAnswer as missing:
            return Failed(missing.reason, is_permanent=False)
        return judge(answer, now())


def _authorized(request: CallbackRequest) -> CallbackRequest:
    """The signed request with the user name and the password of its URL in a header.

    Vendors sign the URL with them, as the tenant gave the URL.
    """
    url, authorization = without_credentials(request.url)
    if authorization is None:
        return request
    headers = {**request.headers, "authorization": authorization}
    return replace(request, url=url, headers=headers)


def judge(answer: HttpAnswer, now: datetime) -> Delivered | Failed:
    """The outcome that an answer means. A redirect is not followed: it could lead anywhere."""
    status = answer.status
    if status in _OK:
        return Delivered(status)
    if status in _REDIRECTS:
        return Failed(f"redirect_{status}", is_permanent=True)
    is_retriable = status in _RETRIABLE or status in _SERVER_ERRORS
    after = _seconds(answer.retry_after, now) if is_retriable else None
    return Failed(f"status_{status}", is_permanent=not is_retriable, retry_after=after)


def _seconds(retry_after: str | None, now: datetime) -> float | None:
    """The seconds that a Retry-After asks for: it is a number of seconds or a date (RFC 9110)."""
    if retry_after is None:
        return None
    try:
        if retry_after.isdecimal():
            return float(retry_after)
        return max(0.0, (parsedate_to_datetime(retry_after) - now) / timedelta(seconds=1))
    except (ValueError, TypeError, OverflowError):  # not a date, or a date without a zone
        return None
