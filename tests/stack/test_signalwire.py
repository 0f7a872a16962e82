"""SignalWire's endpoints, driven by the SDKs of SignalWire and Twilio and by bare HTTP."""

import json
import subprocess
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import pytest
from twilio.base.exceptions import TwilioRestException  # type: ignore[import-untyped]
from twilio.rest import Client  # type: ignore[import-untyped]
from websockets.sync.client import connect

from callstream.audio.formats import PCMU_8K
from callstream.dialects import twilio
from callstream.dialects.events import Start
from callstream_cli.gateway import media_url
from tests.stack.conftest import Answer, DeployedStack, eventually
from tests.template import ROOT

SDK_PYTHON = ROOT / ".local" / "tools" / "signalwire-sdk" / "bin" / "python"
URL = "wss://consumer.example.com/audio"
FORM = "application/x-www-form-urlencoded"


@contextmanager
def streamed_call(stack: DeployedStack) -> Iterator[str]:
    """A call that is in progress: its media are being streamed in. When it is left, it is over."""
    call_id = str(uuid4())
    start = Start(1, f"MZ{call_id}", call_id, "AC", ("inbound",), PCMU_8K)
    with connect(media_url(stack.description, "genagent"), proxy=None, compression=None) as socket:
        socket.send(twilio.render(start, start.carrier_stream_id))
        eventually(lambda: state_of(stack, call_id) == "active")
        yield call_id
    eventually(lambda: state_of(stack, call_id) == "ended")


def state_of(stack: DeployedStack, call_id: str) -> str | None:
    call = stack.table("streams").get_item(Key={"pk": f"CALL#demo#{call_id}", "sk": "CALL"})
    return call["Item"]["state"] if "Item" in call else None


@pytest.fixture(scope="module")
def call_id(stack: DeployedStack) -> Iterator[str]:
    with streamed_call(stack) as call_id:
        yield call_id


@pytest.fixture(scope="module")
def ended_call_id(stack: DeployedStack) -> str:
    with streamed_call(stack) as call_id:
        pass
    return call_id


@pytest.fixture(scope="module")
def project(stack: DeployedStack) -> str:
    return str(stack.description["credentials"]["signalwire"]["project_id"])


@pytest.fixture(scope="module")
def token(stack: DeployedStack) -> str:
    return str(stack.description["credentials"]["signalwire"]["api_token"])


# ── Twilio's SDK ─────────────────────────────────────────────────────────────────────────────────


def twilio_client(stack: DeployedStack, project: str, token: str) -> Client:
    client = Client(project, token)
    client.api.base_url = stack.description["rest"]["signalwire"]
    return client


@pytest.fixture
def twilio_sdk(stack: DeployedStack, project: str, token: str) -> Iterator[Client]:
    client = twilio_client(stack, project, token)
    yield client
    client.http_client.session.close()


def test_twilio_creates_and_stops_by_sid(
    twilio_sdk: Client, call_id: str, project: str, consumer_url: str
) -> None:
    streams = twilio_sdk.calls(call_id).streams
    created = streams.create(
        url=consumer_url,
        name="twilio by sid",
        track="inbound_track",
        status_callback="https://tenant.example.com/streams",
        status_callback_method="GET",
        parameter1_name="FirstName",
        parameter1_value="Jane",
        parameter99_name="last",
        parameter99_value="one",
    )

    assert created.status == "in-progress"
    assert created.name == "twilio by sid"
    assert created.call_sid == call_id
    assert created.account_sid == project
    assert created.date_updated.utcoffset().total_seconds() == 0
    assert created.uri.endswith(f"/{created.sid}.json")

    stopped = created.update(status="stopped")

    assert stopped.status == "stopped"
    assert stopped.sid == created.sid
    assert stopped.date_updated >= created.date_updated


def test_twilio_stops_by_name(twilio_sdk: Client, call_id: str, consumer_url: str) -> None:
    streams = twilio_sdk.calls(call_id).streams
    first = streams.create(url=consumer_url, name="twilio-by-name")
    assert streams("twilio-by-name").update(status="stopped").status == "stopped"
    # The answer got lost, and the client asks again.
    assert streams("twilio-by-name").update(status="stopped").status == "stopped"

    second = streams.create(url=consumer_url, name="twilio-by-name")
    assert second.sid != first.sid
    assert streams(first.sid).update(status="stopped").status == "stopped"
    with pytest.raises(TwilioRestException, match="has this name"):
        streams.create(url=consumer_url, name="twilio-by-name")
    assert streams("twilio-by-name").update(status="stopped").status == "stopped"


def assert_raised(
    raised: pytest.ExceptionInfo[TwilioRestException], status: int, code: int
) -> None:
    assert raised.value.status == status
    assert raised.value.code == code
    assert raised.value.msg


def test_twilios_sdk_raises_the_documented_errors(
    twilio_sdk: Client, call_id: str, ended_call_id: str
) -> None:
    streams = twilio_sdk.calls(call_id).streams
    with pytest.raises(TwilioRestException) as raised:
        streams.create(url="ws://consumer.example.com/audio")
    assert_raised(raised, 422, 31922)
    with pytest.raises(TwilioRestException) as raised:
        streams.create(url=URL, track="every_track")
    assert_raised(raised, 422, 10000)
    with pytest.raises(TwilioRestException) as raised:
        streams.create(url=URL, status_callback="/streams")
    assert_raised(raised, 422, 21456)
    with pytest.raises(TwilioRestException) as raised:
        streams.create(url=URL, status_callback_method="PUT")
    assert_raised(raised, 422, 21209)
    with pytest.raises(TwilioRestException) as raised:
        streams("nobody").update(status="stopped")
    assert_raised(raised, 404, 20404)
    with pytest.raises(TwilioRestException) as raised:
        twilio_sdk.calls(str(uuid4())).streams.create(url=URL)
    assert_raised(raised, 404, 20404)
    with pytest.raises(TwilioRestException) as raised:
        twilio_sdk.calls(ended_call_id).streams.create(url=URL)
    assert_raised(raised, 422, 21220)


def test_twilios_sdk_with_wrong_credentials_is_refused(
    stack: DeployedStack, call_id: str, project: str, token: str
) -> None:
    for client in (
        twilio_client(stack, project, f"{token}x"),
        twilio_client(stack, str(uuid4()), token),
    ):
        with pytest.raises(TwilioRestException) as raised:
            client.calls(call_id).streams.create(url=URL)
        assert_raised(raised, 401, 20003)
        client.http_client.session.close()


# ── SignalWire's SDK ─────────────────────────────────────────────────────────────────────────────


class SignalwireSdk:
    """The SDK, in a process and an environment of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def __call__(self, path: str, data: Mapping[str, str]) -> dict[str, Any]:
        """What the SDK answers."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([path, data]) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@pytest.fixture(scope="module")
def signalwire_sdk(stack: DeployedStack, project: str, token: str) -> Iterator[SignalwireSdk]:
    base_url = stack.description["rest"]["signalwire"]
    script = ROOT / "tests" / "stack" / "signalwire_sdk.py"
    with subprocess.Popen(
        [SDK_PYTHON, "-W", "ignore", script, base_url, project, token],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield SignalwireSdk(process)


# The one that the SDK has for every other resource, and that of the documents after its base URL.
@pytest.mark.parametrize("suffix", [".json", ""])
def test_signalwire_creates_and_stops(
    signalwire_sdk: SignalwireSdk, call_id: str, project: str, suffix: str, consumer_url: str
) -> None:
    streams, name = f"/Calls/{call_id}/Streams", f"signalwire{suffix}"
    created = signalwire_sdk(streams + suffix, {"Url": consumer_url, "Name": name})
    uri = f"/api/laml/2010-04-01/Accounts/{project}{streams}/{created['sid']}.json"

    assert created == {
        "sid": created["sid"],
        "account_sid": project,
        "call_sid": call_id,
        "api_version": "2010-04-01",
        "name": name,
        "status": "in-progress",
        "date_updated": created["date_updated"],
        "error_code": None,
        "uri": uri,
    }

    stopped = signalwire_sdk(f"{streams}/{created['sid']}{suffix}", {"Status": "stopped"})

    assert stopped == created | {"status": "stopped", "date_updated": stopped["date_updated"]}


def test_signalwire_stops_by_name(
    signalwire_sdk: SignalwireSdk, call_id: str, consumer_url: str
) -> None:
    streams, name = f"/Calls/{call_id}/Streams", "signalwire's & more"
    created = signalwire_sdk(f"{streams}.json", {"Url": consumer_url, "Name": name})
    stopped = signalwire_sdk(f"{streams}/{quote(name)}.json", {"Status": "stopped"})

    assert stopped["sid"] == created["sid"]
    assert stopped["status"] == "stopped"


def test_signalwires_sdk_raises_the_documented_errors(
    signalwire_sdk: SignalwireSdk, call_id: str, ended_call_id: str
) -> None:
    def raised(path: str, data: Mapping[str, str]) -> tuple[int, int]:
        exception = signalwire_sdk(f"/Calls{path}", data)["exception"]
        return exception["status"], exception["code"]

    assert raised(f"/{call_id}/Streams.json", {"Url": f"{URL} "}) == (422, 31922)
    assert raised(f"/{call_id}/Streams.json", {}) == (422, 10000)
    assert raised(f"/{call_id}/Streams.json", {"Url": URL, "Codec": "L16"}) == (422, 10000)
    assert raised(f"/{call_id}/Streams/x.json", {"Status": "stopped"}) == (404, 20404)
    assert raised(f"/{call_id}/Streams/x.json", {"Status": "in-progress"}) == (422, 10000)
    assert raised(f"/{uuid4()}/Streams.json", {"Url": URL}) == (404, 20404)
    assert raised(f"/{ended_call_id}/Streams.json", {"Url": URL}) == (422, 21220)
    assert raised(f"/{call_id}/Nothing.json", {}) == (404, 20404)


# ── Bare HTTP ────────────────────────────────────────────────────────────────────────────────────


def post(
    stack: DeployedStack,
    path: str,
    fields: Mapping[str, str] | Sequence[tuple[str, str]] | bytes,
    *,
    user: str | None = None,
    content_type: str = FORM,
) -> Answer:
    credentials = stack.description["credentials"]["signalwire"]
    pair = f"{user or credentials['project_id']}:{credentials['api_token']}"
    headers = {
        "Authorization": "Basic " + b64encode(pair.encode()).decode(),
        "Content-Type": content_type,
    }
    body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
    return stack.request("signalwire", "POST", path, headers, body)


def assert_error(answer: Answer, status: int, code: int) -> None:
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.body.keys() == {"code", "message", "more_info", "status"}
    assert answer.body["code"] == code
    assert answer.body["status"] == status


def test_documented_path_is_served(
    stack: DeployedStack, call_id: str, project: str, consumer_url: str
) -> None:
    path = f"/api/laml/2010-04-01/Accounts/{project}/Calls/{call_id}/Streams"
    created = post(stack, path, {"Url": consumer_url})

    assert created.status == 200
    assert created.body["name"] is None
    assert created.body["uri"].startswith(path)

    # The answer's own URI.
    stopped = post(stack, created.body["uri"], {"Status": "stopped"})

    assert stopped.status == 200
    assert stopped.body["status"] == "stopped"


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (422, FORM, b""),
        (422, FORM, b"\x00"),
        # API Gateway itself puts U+FFFD where a body is not UTF-8.
        (422, FORM, b"\xff\xfe"),
        (400, FORM, b"Url=%FF"),
        (400, FORM, b"&" * 10_000),
        (400, FORM, b"Url=" + b"x" * 70_000),
        (400, "application/json", b'{"Url": "wss://consumer.example.com"}'),
        (422, FORM, b'{"Url": "wss://consumer.example.com"}'),
        (400, "multipart/form-data; boundary=b", b"--b--"),
    ],
)
def test_body_that_is_not_a_form_is_refused(
    stack: DeployedStack, call_id: str, status: int, content_type: str, body: bytes
) -> None:
    project = stack.description["credentials"]["signalwire"]["project_id"]
    path = f"/api/laml/2010-04-01/Accounts/{project}/Calls/{call_id}/Streams"

    assert_error(post(stack, path, body, content_type=content_type), status, 10000)


@pytest.mark.parametrize(
    "account", ["7d56cc11-0000-4a45-b4fb-ed3d55be0001", "AC0123456789abcdef0123456789abcdef", "%00"]
)
@pytest.mark.parametrize("stream", ["", ".json", "/a-stream", "/a-stream.json"])
def test_another_account_is_not_found(
    stack: DeployedStack, call_id: str, account: str, stream: str
) -> None:
    path = f"/api/laml/2010-04-01/Accounts/{account}/Calls/{call_id}/Streams{stream}"

    assert_error(post(stack, path, {"Url": URL}), 404, 20404)


@pytest.mark.parametrize("call", ["x" * 3000, "%00", "%FF", "%F0%9F%93%9E"])
@pytest.mark.parametrize("stream", ["", "/%FF", f"/{'x' * 3000}"])
def test_odd_ids_are_not_found(stack: DeployedStack, project: str, call: str, stream: str) -> None:
    path = f"/api/laml/2010-04-01/Accounts/{project}/Calls/{call}/Streams{stream}"
    fields = {"Status": "stopped"} if stream else {"Url": URL}

    assert_error(post(stack, path, fields), 404, 20404)


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_api_gateways_own_refusals_are_as_signalwire_documents(
    stack: DeployedStack, call_id: str, project: str, method: str
) -> None:
    path = f"/api/laml/2010-04-01/Accounts/{project}/Calls/{call_id}/Streams"

    assert_error(stack.request("signalwire", method, path, {}), 404, 20404)
    assert_error(stack.request("signalwire", method, "/", {}), 404, 20404)
