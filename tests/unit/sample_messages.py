"""Every message of the vendors' documents, in both directions, beside its event."""

from dataclasses import dataclass
from typing import Any

from callstream.audio.formats import AudioFormat
from callstream.dialects.events import (
    CarrierEvent,
    Clear,
    Connected,
    Dtmf,
    Error,
    Mark,
    Media,
    ReturnDtmf,
    ReturnEvent,
    ReturnMark,
    ReturnMedia,
    Start,
    Stop,
)

AUDIO = b"\xff" * 7 + b"\x7f"
PAYLOAD = "/////////38="
RETURN_AUDIO = b"\x7f" * 8
RETURN_PAYLOAD = "f39/f39/f38="
PCMU = AudioFormat(encoding="PCMU", sample_rate=8000, channels=1)
STREAMS = {
    "twilio": "MZ0123456789abcdef0123456789abcdef",
    "telnyx": "7a2f7b1e-2f0e-4a0b-9a55-0d6bd1b2a001",
    "signalwire": "7d56cc11-0000-4a45-b4fb-ed3d55be0001",
}


@dataclass(frozen=True)
class Said[Event]:
    """A message and what it says. Some forms are read, but not written so."""

    dialect: str
    message: dict[str, Any]
    event: Event
    is_read_only: bool = False

    def __str__(self) -> str:
        """Names the test's case."""
        return f"{self.dialect}-{self.message['event']}{'-read-only' if self.is_read_only else ''}"


def _twilio(sequence: int, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "event": kind,
        "sequenceNumber": str(sequence),
        kind: body,
        "streamSid": STREAMS["twilio"],
    }


def _telnyx(sequence: int, kind: str, body: dict[str, Any], **more: str) -> dict[str, Any]:
    return {
        "event": kind,
        "sequence_number": str(sequence),
        kind: body,
        "stream_id": STREAMS["telnyx"],
        **more,
    }


_CALL = "CA0123456789abcdef0123456789abcdef"
_ACCOUNT = "AC0123456789abcdef0123456789abcdef"
_MULAW = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}

_FROM_TWILIO: list[Said[CarrierEvent]] = [
    Said(
        "twilio",
        {"event": "connected", "protocol": "Call", "version": "1.0.0"},
        Connected(protocol="Call", version="1.0.0"),
    ),
    Said(
        "twilio",
        _twilio(
            1,
            "start",
            {
                "streamSid": STREAMS["twilio"],
                "accountSid": _ACCOUNT,
                "callSid": _CALL,
                "tracks": ["inbound", "outbound"],
                "customParameters": {"tenant": "acme", "lang": "en-US"},
                "mediaFormat": _MULAW,
            },
        ),
        Start(
            sequence=1,
            carrier_stream_id=STREAMS["twilio"],
            call_id=_CALL,
            account_id=_ACCOUNT,
            tracks=("inbound", "outbound"),
            format=PCMU,
            parameters={"tenant": "acme", "lang": "en-US"},
        ),
    ),
    Said(
        "twilio",
        _twilio(
            5,
            "media",
            {"track": "inbound", "chunk": "4", "timestamp": "60", "payload": PAYLOAD},
        ),
        Media(sequence=5, track="inbound", chunk=4, timestamp=60, audio=AUDIO),
    ),
    Said(
        "twilio",
        _twilio(17, "dtmf", {"track": "inbound_track", "digit": "5"}),
        Dtmf(sequence=17, track="inbound", digit="5"),
    ),
    Said(
        "twilio",
        _twilio(31, "mark", {"name": "greeting-end"}),
        Mark(sequence=31, name="greeting-end"),
    ),
    Said(
        "twilio",
        _twilio(412, "stop", {"accountSid": _ACCOUNT, "callSid": _CALL}),
        Stop(sequence=412, call_id=_CALL, account_id=_ACCOUNT),
    ),
]

_USER = "3e6f995f-85f7-4705-9741-53b116d28237"
_CONTROL = "v3:example-call-control-id"


def _telnyx_start(**changes: object) -> dict[str, Any]:
    return _telnyx(
        1,
        "start",
        {
            "user_id": _USER,
            "call_control_id": _CONTROL,
            "call_session_id": "c6e9c6d0-7c0f-11f0-9d6c-02420aef0001",
            "from": "+13125550100",
            "to": "+13125550101",
            "tags": [],
            "client_state": "eyJjYXNlIjogNDJ9",
            "custom_parameters": {"tenant": "acme"},
            "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
            **changes,
        },
    )


_TELNYX_START = Start(
    sequence=1,
    carrier_stream_id=STREAMS["telnyx"],
    call_id=_CONTROL,
    account_id=_USER,
    tracks=(),
    format=PCMU,
    parameters={"tenant": "acme"},
    session_id="c6e9c6d0-7c0f-11f0-9d6c-02420aef0001",
    from_number="+13125550100",
    to_number="+13125550101",
    client_state="eyJjYXNlIjogNDJ9",
)

_FROM_TELNYX: list[Said[CarrierEvent]] = [
    Said(
        "telnyx",
        {"event": "connected", "version": "1.0.0"},
        Connected(protocol=None, version="1.0.0"),
    ),
    Said("telnyx", _telnyx_start(), _TELNYX_START),
    Said(
        "telnyx",
        _telnyx_start(
            media_format={"encoding": "audio/x-mulaw", "sample_rate": 8000, "channels": 1}
        ),
        _TELNYX_START,
        is_read_only=True,
    ),
    Said(
        "telnyx",
        _telnyx_start(custom_parameters=[{"name": "tenant", "value": "acme"}]),
        _TELNYX_START,
        is_read_only=True,
    ),
    Said(
        "telnyx",
        _telnyx(
            4,
            "media",
            {"track": "inbound", "chunk": "2", "timestamp": "20", "payload": PAYLOAD},
        ),
        Media(sequence=4, track="inbound", chunk=2, timestamp=20, audio=AUDIO),
    ),
    Said(
        "telnyx",
        _telnyx(55, "dtmf", {"digit": "5"}, occurred_at="2026-08-21T10:15:09.000000Z"),
        Dtmf(sequence=55, track="inbound", digit="5", occurred_at="2026-08-21T10:15:09.000000Z"),
    ),
    Said(
        "telnyx",
        _telnyx(31, "mark", {"name": "greeting-end"}),
        Mark(sequence=31, name="greeting-end"),
    ),
    Said(
        "telnyx",
        {
            "event": "error",
            "stream_id": STREAMS["telnyx"],
            "payload": {
                "code": 100005,
                "title": "rate_limit_reached",
                "detail": "Too many requests",
            },
        },
        Error(sequence=None, code="100005", title="rate_limit_reached", detail="Too many requests"),
    ),
    Said(
        "telnyx",
        _telnyx(
            12,
            "error",
            {"code": "100005", "title": "rate_limit_reached", "detail": "Too many requests"},
        ),
        Error(sequence=12, code="100005", title="rate_limit_reached", detail="Too many requests"),
        is_read_only=True,
    ),
    Said(
        "telnyx",
        _telnyx(90, "stop", {"user_id": _USER, "call_control_id": _CONTROL}),
        Stop(sequence=90, call_id=_CONTROL, account_id=_USER),
    ),
]

_PROJECT = "b08dacad-0000-4de1-93d6-cc732e0c0001"
_SIGNALWIRE_CALL = "76ac3c36-0000-4a3e-a0d6-b5f8df6d0001"


def _signalwire_start(**changes: object) -> dict[str, Any]:
    body = {
        "streamSid": STREAMS["signalwire"],
        "accountSid": _PROJECT,
        "callSid": _SIGNALWIRE_CALL,
        "tracks": ["inbound", "outbound"],
        "mediaFormat": _MULAW,
        **changes,
    }
    return {"event": "start", "sequenceNumber": "1", "start": body}


def _signalwire_started(**changes: Any) -> Start:
    fields: dict[str, Any] = {
        "sequence": 1,
        "carrier_stream_id": STREAMS["signalwire"],
        "call_id": _SIGNALWIRE_CALL,
        "account_id": _PROJECT,
        "tracks": ("inbound", "outbound"),
        "format": PCMU,
    }
    return Start(**fields | changes)


_FROM_SIGNALWIRE: list[Said[CarrierEvent]] = [
    Said(
        "signalwire",
        {"event": "connected", "protocol": "Call", "version": "0.2.0"},
        Connected(protocol="Call", version="0.2.0"),
    ),
    Said(
        "signalwire",
        _signalwire_start(customParameters={"tenant": "acme"}),
        _signalwire_started(parameters={"tenant": "acme"}),
    ),
    *(
        Said[CarrierEvent](
            "signalwire",
            _signalwire_start(
                mediaFormat={"encoding": "audio/x-L16", "sampleRate": rate, "channels": 1}
            ),
            _signalwire_started(format=AudioFormat("L16", rate, 1)),
        )
        for rate in (16_000, 24_000)
    ),
    Said(
        "signalwire",
        {
            "event": "media",
            "sequenceNumber": "42",
            "media": {"track": "inbound", "chunk": "41", "timestamp": "800", "payload": PAYLOAD},
        },
        Media(sequence=42, track="inbound", chunk=41, timestamp=800, audio=AUDIO),
    ),
    Said(
        "signalwire",
        {
            "event": "dtmf",
            "sequenceNumber": "55",
            "streamSid": STREAMS["signalwire"],
            "dtmf": {"digit": "5", "duration": 160},
        },
        Dtmf(sequence=55, track="inbound", digit="5", duration_ms=160),
    ),
    # On a stream of one direction it has no streamSid.
    Said(
        "signalwire",
        {"event": "dtmf", "sequenceNumber": "55", "dtmf": {"digit": "5", "duration": 160}},
        Dtmf(sequence=55, track="inbound", digit="5", duration_ms=160),
        is_read_only=True,
    ),
    Said(
        "signalwire",
        {
            "event": "mark",
            "streamSid": STREAMS["signalwire"],
            "mark": {"name": "greeting-end"},
        },
        Mark(sequence=None, name="greeting-end"),
    ),
    Said("signalwire", {"event": "stop", "sequenceNumber": "999"}, Stop(sequence=999)),
]


def _to(dialect: str, stream: dict[str, str]) -> list[Said[ReturnEvent]]:
    return [
        Said(
            dialect,
            {"event": "media", **stream, "media": {"payload": RETURN_PAYLOAD}},
            ReturnMedia(audio=RETURN_AUDIO),
        ),
        Said(
            dialect,
            {"event": "mark", **stream, "mark": {"name": "greeting-end"}},
            ReturnMark(name="greeting-end"),
        ),
        Said(dialect, {"event": "clear", **stream}, Clear()),
    ]


FROM_CARRIER = [*_FROM_TWILIO, *_FROM_TELNYX, *_FROM_SIGNALWIRE]
TO_CARRIER = [
    *_to("twilio", {"streamSid": STREAMS["twilio"]}),
    *_to("telnyx", {}),
    *_to("signalwire", {"streamSid": STREAMS["signalwire"]}),
    Said[ReturnEvent](
        "signalwire",
        {"event": "dtmf", "streamSid": STREAMS["signalwire"], "dtmf": {"digit": "5"}},
        ReturnDtmf(digit="5"),
    ),
]
