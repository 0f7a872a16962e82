"""Every message of Twilio's documents, in both directions, from one literal each."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.dialects import twilio
from callstream.dialects.events import (
    AudioFormat,
    CarrierEvent,
    Clear,
    Connected,
    Dtmf,
    Mark,
    Media,
    ReturnEvent,
    ReturnMark,
    ReturnMedia,
    Start,
    Stop,
)
from callstream.errors import UnreadableMessage

STREAM = "MZ0123456789abcdef0123456789abcdef"
CALL = "CA0123456789abcdef0123456789abcdef"
ACCOUNT = "AC0123456789abcdef0123456789abcdef"

FROM_CARRIER: list[tuple[str, CarrierEvent]] = [
    (
        '{"event": "connected", "protocol": "Call", "version": "1.0.0"}',
        Connected(protocol="Call", version="1.0.0"),
    ),
    (
        f"""{{"event": "start", "sequenceNumber": "1", "start": {{
            "streamSid": "{STREAM}", "accountSid": "{ACCOUNT}", "callSid": "{CALL}",
            "tracks": ["inbound", "outbound"], "customParameters": {{"lang": "en-US"}},
            "mediaFormat": {{"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}}}},
            "streamSid": "{STREAM}"}}""",
        Start(
            sequence=1,
            carrier_stream_id=STREAM,
            call_id=CALL,
            account_id=ACCOUNT,
            tracks=("inbound", "outbound"),
            format=AudioFormat(encoding="PCMU", sample_rate=8000, channels=1),
            parameters={"lang": "en-US"},
        ),
    ),
    (
        f"""{{"event": "media", "sequenceNumber": "5", "media": {{"track": "inbound", "chunk": "4",
            "timestamp": "60", "payload": "/////////38="}}, "streamSid": "{STREAM}"}}""",
        Media(sequence=5, track="inbound", chunk=4, timestamp=60, audio=b"\xff" * 7 + b"\x7f"),
    ),
    (
        f"""{{"event": "dtmf", "streamSid": "{STREAM}", "sequenceNumber": "17",
            "dtmf": {{"track": "inbound_track", "digit": "5"}}}}""",
        Dtmf(sequence=17, track="inbound", digit="5"),
    ),
    (
        f"""{{"event": "mark", "sequenceNumber": "31", "streamSid": "{STREAM}",
            "mark": {{"name": "greeting-end"}}}}""",
        Mark(sequence=31, name="greeting-end"),
    ),
    (
        f"""{{"event": "stop", "sequenceNumber": "412", "stop": {{"accountSid": "{ACCOUNT}",
            "callSid": "{CALL}"}}, "streamSid": "{STREAM}"}}""",
        Stop(sequence=412, call_id=CALL, account_id=ACCOUNT),
    ),
]

TO_CARRIER: list[tuple[str, ReturnEvent]] = [
    (
        f'{{"event": "media", "streamSid": "{STREAM}", "media": {{"payload": "f39/f39/f38="}}}}',
        ReturnMedia(audio=b"\x7f" * 8),
    ),
    (
        f'{{"event": "mark", "streamSid": "{STREAM}", "mark": {{"name": "greeting-end"}}}}',
        ReturnMark(name="greeting-end"),
    ),
    (f'{{"event": "clear", "streamSid": "{STREAM}"}}', Clear()),
]


@pytest.mark.parametrize(("text", "event"), FROM_CARRIER)
def test_from_the_carrier(text: str, event: CarrierEvent) -> None:
    assert twilio.parse(text) == event
    assert json.loads(twilio.render(event, STREAM)) == {
        **json.loads(text),
        # Twilio's own `connected` has no streamSid.
        **({} if isinstance(event, Connected) else {"streamSid": STREAM}),
    }


@pytest.mark.parametrize(("text", "event"), TO_CARRIER)
def test_to_the_carrier(text: str, event: ReturnEvent) -> None:
    assert twilio.parse_return(text) == event
    assert json.loads(twilio.render_return(event, STREAM)) == json.loads(text)


def test_counters_may_be_numbers_and_unknown_fields_are_kept() -> None:
    text = """{"event": "media", "sequenceNumber": 5, "new": [1], "media": {"track": "outbound",
        "chunk": 4, "timestamp": 60, "payload": "fw==", "also": {"new": null}}}"""

    unknown = '{"new":[1],"media":{"also":{"new":null}}}'
    assert twilio.parse(text) == Media(5, "outbound", 4, 60, b"\x7f", extra=unknown)


def test_an_unknown_encoding_keeps_its_name() -> None:
    text = FROM_CARRIER[1][0].replace("audio/x-mulaw", "audio/x-new")
    event = twilio.parse(text)

    assert isinstance(event, Start)
    assert event.format.encoding == "audio/x-new"


MEDIA = FROM_CARRIER[2][0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not_json"),
        ("RIFF....WAVE", "not_json"),
        (MEDIA[:-20], "not_json"),
        ('{"event": "media", "new": ' + "[" * 100_000, "not_json"),
        (b"\xff\xfe", "not_json"),
        ("\ud800", "not_json"),
        ("null", "not_as_documented"),
        ("{}", "not_as_documented"),
        ('{"event": "transfer"}', "not_as_documented"),
        ('{"event": 7}', "not_as_documented"),
        ('{"event": "media"}', "not_as_documented"),
        (MEDIA.replace("/////////38=", "!!!"), "not_as_documented"),
        (MEDIA.replace("/////////38=", "/////////38"), "not_as_documented"),
        (MEDIA.replace('"inbound"', '"sideways"'), "not_as_documented"),
        (MEDIA.replace('"chunk": "4"', '"chunk": "-4"'), "not_as_documented"),
        (MEDIA.replace('"chunk": "4"', '"chunk": "4.5"'), "not_as_documented"),
        (MEDIA.replace('"chunk": "4"', '"chunk": "four"'), "not_as_documented"),
        (MEDIA.replace('"5"', '"99999999999999999999999"'), "not_as_documented"),
        (MEDIA.replace('"5"', "1e400"), "not_as_documented"),
        (MEDIA.replace('"5"', "null"), "not_as_documented"),
    ],
)
def test_unreadable(text: str | bytes, reason: str) -> None:
    with pytest.raises(UnreadableMessage) as caught:
        twilio.parse(text)

    assert caught.value.reason == reason


@given(st.text() | st.binary() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_only_one_kind_of_error(text: str | bytes) -> None:
    with suppress(UnreadableMessage):
        twilio.parse(text)
