"""Signatures are those that botocore makes."""

from datetime import UTC, datetime
from urllib.parse import quote

import time_machine
from botocore import credentials as botocore_credentials
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from hypothesis import assume, given
from hypothesis import strategies as st

from callstream.adapters.aws.environment import Credentials
from callstream.adapters.aws.signature import Signer

WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1)
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126))
NAMES = WORDS.map(lambda name: f"x-{name}").filter(lambda name: name != "x-amzn-trace-id")
CREDENTIALS = st.builds(
    Credentials, st.text(min_size=1), st.text(min_size=1), st.just("") | st.text(min_size=1)
)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # as Hypothesis wants them
SEGMENTS = st.text(min_size=1).filter(lambda segment: segment not in {".", ".."})
PATHS = st.lists(SEGMENTS).map(lambda path: "/" + "/".join(quote(each, safe="") for each in path))


def botocores(
    signer: tuple[str, str, str, Credentials],
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
) -> dict[str, str]:
    """The headers that botocore gives a request."""
    service, region, host, credentials = signer
    request = AWSRequest(method, f"https://{host}{path}", headers, body)
    given = botocore_credentials.Credentials(*credentials[:2], credentials.token or None)
    SigV4Auth(given, service, region).add_auth(request)
    return {name.lower(): str(value) for name, value in request.headers.items()} | {"host": host}


@given(
    st.tuples(WORDS, WORDS, WORDS.map("a{}.example:8443".format), CREDENTIALS),
    st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    PATHS,
    st.dictionaries(NAMES, PRINTABLE),
    st.tuples(st.binary(), MOMENTS),
)
def test_signature_is_botocores(
    signer: tuple[str, str, str, Credentials],
    method: str,
    path: str,
    headers: dict[str, str],
    body_at: tuple[bytes, datetime],
) -> None:
    body, at = body_at
    with time_machine.travel(at, tick=False):
        expected = botocores(signer, method, path, headers, body)

    assert Signer(*signer).headers(method, path, headers, body, at.timestamp()) == expected


@given(MOMENTS, MOMENTS)
def test_signer_renews_its_key_with_the_day(first: datetime, then: datetime) -> None:
    assume(first.date() != then.date())
    arguments = ("kinesis", "us-east-1", "kinesis.example", Credentials("id", "secret"))
    signer = Signer(*arguments)
    signer.headers("POST", "/", {}, b"", first.timestamp())
    new = Signer(*arguments)

    renewed = signer.headers("POST", "/", {}, b"", then.timestamp())
    assert renewed == new.headers("POST", "/", {}, b"", then.timestamp())


def test_credentials_do_not_show_their_secrets() -> None:
    assert repr(Credentials("id", "secret", "token")) == "Credentials('id')"
