"""ASAPP's own WebSocket on the deployed stack, with its speech engine, by the document's client."""

import asyncio
import json
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from callstream.dialects.events import Start
from callstream_cli.bridge.server import HOST, Ports, bridge
from tests.asapp_client import AsappClient, TextClient
from tests.speech_samples import CARD, Sample, synthesise
from tests.stack.conftest import DeployedStack, Tape, eventually
from tests.word_error_rate import word_errors

CUSTOMER = Sample("I forgot my password and cannot open my account.", "rms")
AGENT = Sample("Please hold the line while I look for your order.", "rms")
PAUSE = bytes(16_000)
SUMMARY = {"totalAudioBytes", "audioDurationMs", "streamingSeconds", "transcripts"}


async def streaming_url(stack: DeployedStack, base: str) -> str:
    """A URL for a stream of the conversation."""

    def ask() -> str:
        parts = urlsplit(base)
        connection = HTTPConnection(parts.netloc, timeout=30)
        headers = stack.credentials() | {"Content-Type": "application/json"}
        path = parts.path + "/autotranscribe/v1/streaming-url"
        connection.request("POST", path, b'{"externalId": "conversation-1"}', headers)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return str(answer["streamingUrl"])

    return await asyncio.to_thread(ask)


def speech(*samples: Sample) -> bytes:
    return b"".join(synthesise(*sample) + PAUSE for sample in samples)


def test_both_speakers_of_a_conversation_are_transcribed(stack: DeployedStack, tape: Tape) -> None:
    base = stack.description["rest"]["asapp"]
    said = {"customer": speech(CUSTOMER, CARD), "agent": speech(AGENT)}

    async def converse() -> tuple[AsappClient, AsappClient, AsappClient]:
        async with bridge(base, Ports(0, 0)) as ports:
            url = await streaming_url(stack, f"http://{HOST}:{ports.http}")
            with pytest.raises(InvalidStatus) as refused:
                await connect(url + "x")
            assert refused.value.response.status_code == 403
            customer = AsappClient(url, "customer", "cust-42")
            agent = TextClient(await streaming_url(stack, base), "agent", "agent-7")
            spanish = TextClient(await streaming_url(stack, base), "agent", "agent-8")
            spanish.start["language"] = "es-US"
            speakers = [customer.speak(said["customer"]), agent.speak(said["agent"])]
            await asyncio.gather(*speakers, spanish.speak(b""))
            return customer, agent, spanish

    customer, agent, spanish = asyncio.run(converse())

    for client, samples in ((customer, [CUSTOMER, CARD]), (agent, [AGENT])):
        assert client.answers[0]["message"] == "startResponse"
        assert client.answers[0]["status"]["code"] == "1000"
        assert {each["message"] for each in client.answers[1:-1]} == {"transcript"}
        last, stream_id = client.answers[-1], client.answers[0]["streamID"]
        assert (last["message"], last["streamId"]) == ("finalResponse", stream_id)
        assert last["status"] == {"code": "1000", "description": "OK"}
        assert last["summary"].keys() == SUMMARY
        sent = len(said["customer" if client is customer else "agent"])
        assert last["summary"]["totalAudioBytes"] == sent
        assert last["summary"]["audioDurationMs"] == sent // 16
        assert last["summary"]["transcripts"] == len(client.of("transcript"))
        assert client.close_code == 1000
        times = [(each["start"], each["end"]) for each in client.of("transcript")]
        assert times == sorted(times)
        assert 0 <= times[0][0] < times[-1][1] <= sent // 16
        # The card number is masked in what the client sees.
        text = " ".join(sample.text for sample in samples if sample != CARD)
        heard = client.text.partition("My card")[0]
        assert word_errors(text, heard) <= 2, client.text
    assert "####" in customer.text.replace(" ", "")
    assert spanish.answers[-1]["status"]["code"] == "4050"

    def kept() -> list[str]:
        found = tape.so_far(agent.answers[0]["streamID"])
        return [] if found is None else [line.text for line in found.transcript]

    assert " ".join(eventually(kept)) == agent.text
    recording = tape.stream_of(agent.answers[0]["streamID"])
    assert isinstance(recording.start, Start)
    assert recording.start.session_id == "conversation-1"
    # Records have the larger byte first.
    swapped = recording.audio("inbound")
    assert swapped[::2] == said["agent"][1::2]
