"""Delivers callbacks: where each goes, what its answer means, and when it is tried again.

A callback is tried until somebody takes it (2xx), for half a day; what cannot become better by
waiting is given up at once. Who is given up goes to the dead-letter queue, with the reason.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple, Protocol

from msgspec import Struct

from callstream.callbacks import keys, signalwire, telnyx
from callstream.callbacks.model import CallbackRequest, RelayCallback
from callstream.destinations import Destination, ForbiddenDestination, Resolver, UnknownHost, vet
from callstream.errors import CallstreamError
from callstream.tenants.directory import Directory, Tenant

SCHEMES: Final = frozenset({"http", "https"})

# Of what is the client's fault, these pass: a slow request, one that came too early, one too many.
_PASSING: Final = frozenset({408, 425, 429})
_OK: Final = range(200, 300)
_SERVER_ERRORS: Final = range(500, 600)
_REDIRECTS: Final = range(300, 400)


class NoAnswer(CallstreamError):
    """A request was not answered. `reason` is one of `timeout`, `connection`, `tls`, `no_http`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class HttpAnswer(NamedTuple):
    """What came back; `retry_after` is that header as it was sent."""

    status: int
    retry_after: str | None = None


class HttpClient(Protocol):
    """Sends requests, each over a connection of its own, and follows no redirects."""

    def send(self, request: CallbackRequest, destination: Destination) -> HttpAnswer:
        """Send a request to a destination that was looked at.

        Raises:
            NoAnswer: there was none in time.
        """


class Delivered(NamedTuple):
    """Somebody has taken it."""

    status: int


class Dropped(NamedTuple):
    """Nobody wants to know. `reason` is `no_tenant` or `no_url`."""

    reason: str


class Failed(NamedTuple):
    """It was not taken. `reason` is one of docs/operations.md and holds nothing of the URL.

    `again_after` is how many seconds the other side asks us to wait; None if it does not say.
    """

    reason: str
    is_permanent: bool
    again_after: float | None = None


type Outcome = Delivered | Dropped | Failed


class Backoff(Struct, frozen=True):
    """When to try again: after a random time below a bound that doubles each time. In seconds.

    Random from the first ("full jitter"), so that callbacks that failed together come apart.
    With the default numbers some 30 tries in 12 hours.
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
        again_after: float | None = None,
    ) -> int | None:
        """How many whole seconds to wait, at least one; None to give up.

        Args:
            attempt: how many tries there were.
            waited: seconds since the callback was queued.
            random: gives numbers from 0 to 1.
            again_after: what the other side asks for; taken up to the longest delay.
        """
        # Later the bound is reached, and the power has grown out of all numbers.
        bound = min(self.longest, self.first * 2.0 ** min(attempt - 1, 60))
        delay = max(bound * random(), min(again_after or 0, self.longest), 1)
        return None if waited + delay > self.give_up_after else round(delay)


class Delivery:
    """Delivers callbacks.

    Args:
        directory: the tenants, with their webhooks.
        master: gives the secret that the keys are derived from.
        client: sends the requests.
        resolve: asks the name service.
        local: also deliver to this machine itself; for the local stack alone.
    """

    def __init__(
        self,
        directory: Directory,
        master: Callable[[], str],
        client: HttpClient,
        resolve: Resolver,
        *,
        local: bool = False,
    ) -> None:
        self._directory = directory
        self._master = master
        self._client = client
        self._resolve = resolve
        self._local = local

    def deliver(
        self, callback: RelayCallback, attempt: int, now: Callable[[], datetime]
    ) -> Outcome:
        """Try to deliver a callback, once; where the first URL fails for now, at the failover too.

        The failover is for a webhook that is down. One that refuses has been reached, and whether
        it is right to is not for another to say.

        Args:
            callback: what to tell.
            attempt: the how manieth try this is, from 1.
            now: the clock; what is signed has a time.

        Raises:
            Unavailable: a table or secret did not answer.
        """
        tenant = self._directory.tenant(callback.tenant_id)
        if tenant is None:
            return Dropped("no_tenant")
        urls = _urls(callback, tenant)
        if not urls:
            return Dropped("no_url")
        first: Failed | None = None
        for url in urls:
            outcome = self._try(self._request(callback, tenant, attempt, url, now()), now)
            if isinstance(outcome, Delivered):
                return outcome
            first = first or outcome
            if first.is_permanent:
                break
        # The first URL's failure decides: what is wrong with the failover alone may not matter.
        return first or Dropped("no_url")

    def _request(
        self, callback: RelayCallback, tenant: Tenant, attempt: int, url: str, now: datetime
    ) -> CallbackRequest:
        master, key_id = self._master(), tenant.callback_key_id
        if callback.surface == "telnyx":
            request = telnyx.build(callback, attempt, url)
            private_key = keys.telnyx_private_key(master, key_id)
            return telnyx.sign(request, private_key, now)
        request = signalwire.build(callback, str(tenant.project_id), url)
        signing_key = keys.signalwire_signing_key(master, key_id)
        return signalwire.sign(request, signing_key)

    def _try(self, request: CallbackRequest, now: Callable[[], datetime]) -> Delivered | Failed:
        if not request.url.isascii():  # there is no one way to write it in a request
            return Failed("forbidden_not_a_url", is_permanent=True)
        try:
            destination = vet(request.url, SCHEMES, self._resolve, local=self._local)
            answer = self._client.send(request, destination)
        except ForbiddenDestination as forbidden:
            return Failed(f"forbidden_{forbidden.reason}", is_permanent=True)
        except UnknownHost:
            return Failed("unknown_host", is_permanent=False)
        except NoAnswer as missing:
            return Failed(missing.reason, is_permanent=False)
        return judge(answer, now())


def judge(answer: HttpAnswer, now: datetime) -> Delivered | Failed:
    """What an answer means. A redirect is not followed: it could lead anywhere."""
    status = answer.status
    if status in _OK:
        return Delivered(status)
    if status in _REDIRECTS:
        return Failed(f"redirect_{status}", is_permanent=True)
    is_passing = status in _PASSING or status in _SERVER_ERRORS
    after = _seconds(answer.retry_after, now) if is_passing else None
    return Failed(f"status_{status}", is_permanent=not is_passing, again_after=after)


def _seconds(retry_after: str | None, now: datetime) -> float | None:
    """How long a Retry-After asks to wait: it is a number of seconds or a date (RFC 9110)."""
    if retry_after is None:
        return None
    try:
        if retry_after.isdecimal():
            return float(retry_after)
        return max(0.0, (parsedate_to_datetime(retry_after) - now) / timedelta(seconds=1))
    except (ValueError, TypeError, OverflowError):  # no date, or one that has no zone
        return None


def _urls(callback: RelayCallback, tenant: Tenant) -> Sequence[str]:
    """Where a callback goes, the failover last; nowhere if nobody has said where."""
    match callback.surface:
        case "telnyx":
            webhook = tenant.webhooks.get("telnyx")
            urls = (webhook.url, webhook.failover_url) if webhook else ()
            return [url for url in urls if url is not None]
        case "signalwire":
            url = callback.relay.status_callback
            return [] if url is None else [url]
        case _:  # what these vendors tell is not about relays
            return []
