"""The dialects: every message of the vendors' documents, and every dialect against every other."""

import json
from collections.abc import Callable
from contextlib import suppress
from itertools import permutations, product
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from callstream.audio.formats import CODECS, AudioFormat
from callstream.dialects import DIALECTS, recognise, translate
from callstream.dialects.events import (
    CarrierEvent,
    Connected,
    Dtmf,
    Error,
    Mark,
    Media,
    ReturnDtmf,
    ReturnEvent,
    Start,
    Stop,
)
from callstream.errors import Inexpressible, UnreadableMessage
from tests.unit.sample_messages import FROM_CARRIER, PAYLOAD, STREAMS, TO_CARRIER, Said

# Events for which a vendor documents no message. Every dialect must have all others.
INEXPRESSIBLE = {
    ("twilio", Error),
    ("signalwire", Error),
    ("twilio", ReturnDtmf),
    ("telnyx", ReturnDtmf),
}

PAIRS = list(permutations(DIALECTS, 2))
INVISIBLE = "\x00\x07\x1b\n\x7f\x85\x9b\u200b\u2028\u202e\u2066\ufeff"


def names(said: object) -> str | None:
    return str(said) if isinstance(said, Said) else None


def document(dialect: str, kind: str) -> dict[str, Any]:
    """A copy of a dialect's first message of a kind."""
    said = next(d for d in FROM_CARRIER if (d.dialect, d.message["event"]) == (dialect, kind))
    copy: dict[str, Any] = json.loads(json.dumps(said.message))
    return copy


class TestDocuments:
    @pytest.mark.parametrize("said", FROM_CARRIER, ids=names)
    def test_from_the_carrier(self, said: Said[CarrierEvent]) -> None:
        dialect, text = DIALECTS[said.dialect], json.dumps(said.message)

        assert recognise(text) == said.dialect
        assert recognise(text.encode()) == said.dialect
        assert dialect.parse(text) == dialect.parse(text.encode()) == said.event
        written = dialect.render(said.event, STREAMS[said.dialect])
        assert dialect.parse(written) == said.event
        if not said.is_read_only:
            assert json.loads(written) == said.message

    @pytest.mark.parametrize("said", TO_CARRIER, ids=names)
    def test_to_the_carrier(self, said: Said[ReturnEvent]) -> None:
        dialect = DIALECTS[said.dialect]

        assert dialect.parse_return(json.dumps(said.message)) == said.event
        written = dialect.render_return(said.event, STREAMS[said.dialect])
        assert json.loads(written) == said.message

    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_protocol_is_the_carriers_first_message(self, dialect: str) -> None:
        written = DIALECTS[dialect].render(DIALECTS[dialect].PROTOCOL, STREAMS[dialect])

        assert json.loads(written) == document(dialect, "connected")


class TestParity:
    def test_every_dialect_has_a_message_for_every_event_that_its_vendor_has(self) -> None:
        events = {*get_args(CarrierEvent), *get_args(ReturnEvent)}
        documented = {(said.dialect, type(said.event)) for said in (*FROM_CARRIER, *TO_CARRIER)}

        assert documented == set(product(DIALECTS, events)) - INEXPRESSIBLE

    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize("kind", get_args(CarrierEvent))
    def test_from_the_carrier(self, dialect: str, kind: type[CarrierEvent]) -> None:
        for said in (said for said in FROM_CARRIER if isinstance(said.event, kind)):
            if (dialect, kind) in INEXPRESSIBLE:
                with pytest.raises(Inexpressible, match=dialect):
                    DIALECTS[dialect].render(said.event, STREAMS[dialect])
            else:
                written = translate(said.event, said.dialect, dialect, STREAMS[dialect])
                assert isinstance(DIALECTS[dialect].parse(written), kind)

    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize("kind", get_args(ReturnEvent))
    def test_to_the_carrier(self, dialect: str, kind: type[ReturnEvent]) -> None:
        for said in (said for said in TO_CARRIER if isinstance(said.event, kind)):
            if (dialect, kind) in INEXPRESSIBLE:
                with pytest.raises(Inexpressible, match=dialect):
                    DIALECTS[dialect].render_return(said.event, STREAMS[dialect])
            else:
                written = DIALECTS[dialect].render_return(said.event, STREAMS[dialect])
                assert DIALECTS[dialect].parse_return(written) == said.event


class TestTranslation:
    """Every message of a carrier can be written as any other carrier's that has such a message."""

    @pytest.mark.parametrize(("source", "target"), PAIRS)
    def test_from_the_carrier(self, source: str, target: str) -> None:
        for said in (said for said in FROM_CARRIER if said.dialect == source):
            event = replace(said.event, extra='{"new":1}')
            if (target, type(event)) in INEXPRESSIBLE:
                with pytest.raises(Inexpressible):
                    translate(event, source, target, STREAMS[target])
                continue
            text = translate(event, source, target, STREAMS[target])
            assert "new" not in text
            translated = DIALECTS[target].parse(text)
            assert essence(translated) == essence(
                DIALECTS[target].PROTOCOL if isinstance(event, Connected) else event
            )
            assert recognise(text) == target

    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_translation_into_the_same_dialect_changes_nothing(self, dialect: str) -> None:
        for said in (said for said in FROM_CARRIER if said.dialect == dialect):
            event = replace(said.event, extra='{"new":1}')
            text = translate(event, dialect, dialect, STREAMS[dialect])
            assert DIALECTS[dialect].parse(text) == event
        for back in (said for said in TO_CARRIER if said.dialect == dialect):
            answer = replace(back.event, extra='{"new":1}')
            text = DIALECTS[dialect].render_return(answer, STREAMS[dialect])
            assert DIALECTS[dialect].parse_return(text) == answer

    def test_call_keeps_its_essence_through_any_chain_of_dialects(self) -> None:
        """Audio, order, digits, marks and parameters come through any chain of dialects."""
        said = {d.message["event"]: d.event for d in FROM_CARRIER if d.dialect == "twilio"}
        start, media = said["start"], said["media"]
        for chain in permutations(DIALECTS):
            for event in (start, media, said["dtmf"], said["stop"]):
                heard: CarrierEvent = event
                for source, target in zip(("twilio", *chain), chain, strict=False):
                    heard = DIALECTS[target].parse(
                        translate(heard, source, target, STREAMS["twilio"])
                    )
                assert essence(heard) == essence(event)


def essence(event: CarrierEvent) -> object:
    """The fields of an event that every dialect can express."""
    words: dict[type[CarrierEvent], tuple[str, ...]] = {
        Connected: ("protocol", "version"),
        Start: ("sequence", "call_id", "account_id", "format", "parameters"),
        Media: ("sequence", "track", "chunk", "timestamp", "audio"),
        Dtmf: ("sequence", "track", "digit"),
        Mark: ("name",),
        Stop: ("sequence",),
    }
    return type(event), [getattr(event, name) for name in words[type(event)]]


class TestUnknownFields:
    """Unknown fields are kept as JSON text at their place, and written in the same dialect only."""

    @pytest.mark.parametrize(
        "said", [said for said in FROM_CARRIER if not said.is_read_only], ids=names
    )
    def test_from_the_carrier(self, said: Said[CarrierEvent]) -> None:
        message = json.loads(json.dumps(said.message))
        unknown = {"new": [1, {"a": None}], "event2": 1.5}
        kind = message["event"]
        inner = "payload" if kind == "error" else kind
        expected: dict[str, Any] = dict(unknown)
        if isinstance(message.get(inner), dict):
            message[inner] |= {"more": {"deep": "ü"}}
            expected[inner] = {"more": {"deep": "ü"}}
        if kind == "start":
            for name in ("mediaFormat", "media_format"):
                if name in message["start"]:
                    message["start"][name]["bits"] = 16
                    expected["start"][name] = {"bits": 16}
        text = json.dumps(message | unknown)

        dialect = DIALECTS[said.dialect]
        event = dialect.parse(text)
        assert json.loads(event.extra) == expected
        assert replace(event, extra="") == said.event
        assert recognise(text) == said.dialect
        written = json.loads(dialect.render(event, STREAMS[said.dialect]))
        assert written == message | unknown
        assert dialect.parse(json.dumps(written)) == event

    @pytest.mark.parametrize("said", TO_CARRIER, ids=names)
    def test_to_the_carrier(self, said: Said[ReturnEvent]) -> None:
        message = said.message | {"new": [1]}
        dialect = DIALECTS[said.dialect]
        event = dialect.parse_return(json.dumps(message))

        assert json.loads(event.extra) == {"new": [1]}
        assert json.loads(dialect.render_return(event, STREAMS[said.dialect])) == message

    def test_unknown_fields_of_an_older_error_are_written_in_the_present_form(self) -> None:
        text = """{"event": "error", "stream_id": "x", "new": 1,
            "error": {"code": "100005", "title": "", "detail": "", "more": 2}}"""
        event = DIALECTS["telnyx"].parse(text)

        assert json.loads(event.extra) == {"new": 1, "payload": {"more": 2}}
        assert json.loads(DIALECTS["telnyx"].render(event, "x")) == {
            "event": "error",
            "stream_id": "x",
            "new": 1,
            "payload": {"code": 100005, "title": "", "detail": "", "more": 2},
        }

    def test_unknown_fields_of_a_telnyx_parameter_are_dropped(self) -> None:
        message = document("telnyx", "start")
        message["start"]["custom_parameters"] = [{"name": "a", "value": "b", "new": 1}]
        event = DIALECTS["telnyx"].parse(json.dumps(message))

        assert isinstance(event, Start)
        assert event.parameters == {"a": "b"}

    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize("brackets", ["[]", '{"a":}'])
    def test_unknown_fields_may_be_nested_up_to_a_limit(self, dialect: str, brackets: str) -> None:
        opening, closing = brackets[:-1], brackets[-1]

        def message(depth: int) -> str:
            deep = opening * depth + "1" + closing * depth
            return json.dumps(document(dialect, "media"))[:-1] + f', "new": {deep}}}'

        event = DIALECTS[dialect].parse(message(99))
        assert json.loads(DIALECTS[dialect].render(event, STREAMS[dialect])) == json.loads(
            message(99)
        )
        for depth in (100, 500, 9_000, 100_000):
            with pytest.raises(UnreadableMessage, match="not_json"):
                DIALECTS[dialect].parse(message(depth))


class TestCodecs:
    FORMATS = [  # noqa: RUF012  # a table
        ("PCMU", 8_000),
        ("PCMA", 8_000),
        ("G722", 8_000),
        ("G722", 16_000),
        *(("L16", rate) for rate in (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)),
        *(("OPUS", rate) for rate in (8_000, 16_000, 48_000)),
        ("AMR-WB", 8_000),
        ("AMR-WB", 16_000),
        ("EVS", 32_000),
    ]

    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize(("codec", "rate"), FORMATS)
    @pytest.mark.parametrize("channels", [1, 2])
    def test_codec_survives_rendering_and_parsing(
        self, dialect: str, codec: str, rate: int, channels: int
    ) -> None:
        form = AudioFormat(codec, rate, channels)
        start = replace(FROM_CARRIER[1].event, format=form)
        written = DIALECTS[dialect].render(start, STREAMS[dialect])
        read = DIALECTS[dialect].parse(written)

        assert isinstance(read, Start)
        assert read.format == form

    @pytest.mark.parametrize("dialect", ["twilio", "signalwire"])
    def test_media_types_are_written_as_documented(self, dialect: str) -> None:
        for codec, written in {"PCMU": "audio/x-mulaw", "L16": "audio/x-L16"}.items():
            start = replace(FROM_CARRIER[1].event, format=AudioFormat(codec, 8000, 1))
            message = json.loads(DIALECTS[dialect].render(start, "x"))
            assert message["start"]["mediaFormat"]["encoding"] == written

    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_unknown_codec_keeps_its_name(self, dialect: str) -> None:
        message = document(dialect, "start")
        formats = {"twilio": "mediaFormat", "telnyx": "media_format", "signalwire": "mediaFormat"}
        message["start"][formats[dialect]]["encoding"] = "audio/x-New"
        event = DIALECTS[dialect].parse(json.dumps(message))

        assert isinstance(event, Start)
        assert event.format.encoding == "audio/x-New"
        assert json.loads(DIALECTS[dialect].render(event, STREAMS[dialect])) == message


TWILIO_START = document("twilio", "start")
TWILIO_DTMF = document("twilio", "dtmf")
SIGNALWIRE_MEDIA = document("signalwire", "media")
TELNYX_MEDIA = document("telnyx", "media")


class TestRecognition:
    @pytest.mark.parametrize(
        ("message", "dialect"),
        [
            # Only the fields at the top of a message count.
            (
                TWILIO_START
                | {"start": TWILIO_START["start"] | {"customParameters": {"stream_id": "x"}}},
                "twilio",
            ),
            (
                SIGNALWIRE_MEDIA
                | {"media": SIGNALWIRE_MEDIA["media"] | {"streamSid": "", "sequence_number": ""}},
                "signalwire",
            ),
            (TELNYX_MEDIA | {"media": {"streamSid": "x", "sequenceNumber": "1"}}, "telnyx"),
            (TWILIO_START | {"dtmf": {}, "protocol": "Call", "version": 1}, "twilio"),
            # Keys pressed: only Twilio names the track.
            (TWILIO_DTMF | {"dtmf": {"digit": "5"}}, "signalwire"),
            (TWILIO_DTMF | {"dtmf": {"track": None}}, "twilio"),
            (TWILIO_DTMF | {"dtmf": "track"}, "signalwire"),
            (TWILIO_DTMF | {"dtmf": ["track"]}, "signalwire"),
            (TWILIO_DTMF | {"dtmf": None}, "signalwire"),
            ({"event": "dtmf", "streamSid": "x", "sequenceNumber": "1"}, "signalwire"),
            # The field's name counts, whatever its value.
            ({"event": "media", "stream_id": None}, "telnyx"),
            ({"event": "media", "sequence_number": {}}, "telnyx"),
            ({"event": "media", "streamSid": [], "sequenceNumber": 1}, "twilio"),
            ({"event": "mark", "streamSid": 0}, "signalwire"),
            ({"event": "transfer", "stream_id": "x"}, "telnyx"),
            # No other carrier has Telnyx's field names.
            (TELNYX_MEDIA | {"streamSid": "x", "sequenceNumber": "1"}, "telnyx"),
            ({"event": "connected"}, "telnyx"),
            ({"event": "connected", "version": "0.2.0"}, "telnyx"),
            ({"event": "connected", "protocol": "Call", "version": "1.0.0"}, "twilio"),
            ({"event": "connected", "protocol": "Call", "version": "0.3.0"}, "signalwire"),
            ({"event": "connected", "protocol": "Call"}, "signalwire"),
            ({"event": "connected", "protocol": None, "version": ["1.0.0"]}, "signalwire"),
        ],
    )
    def test_dialect_is_recognised_by_shape(self, message: object, dialect: str) -> None:
        assert recognise(json.dumps(message)) == dialect
        assert recognise(json.dumps(message, indent=2).encode()) == dialect

    @pytest.mark.parametrize(
        "text",
        [
            "null",
            "[]",
            "{}",
            '"media"',
            '{"event": null}',
            '{"event": 7}',
            '{"event": ["media"], "stream_id": "x"}',
            '{"event": "media"}',
            '{"event": "start", "start": {"stream_id": "x", "streamSid": "x"}}',
            '{"event": "version", "version": "1.0.0", "protocol": "Call"}',
        ],
    )
    def test_message_of_no_dialect_is_unreadable(self, text: str) -> None:
        with pytest.raises(UnreadableMessage, match="not_as_documented"):
            recognise(text)

    @pytest.mark.parametrize("text", ["", "RIFF", b"\xff\xfe", "\ud800", "{", '{"event": "media"'])
    def test_text_that_is_not_json_is_unreadable(self, text: str | bytes) -> None:
        with pytest.raises(UnreadableMessage, match="not_json"):
            recognise(text)


type Change = Callable[[dict[str, Any]], object]

# Of a media message, whose number has another name in each dialect.
NUMBER = {"twilio": "sequenceNumber", "telnyx": "sequence_number", "signalwire": "sequenceNumber"}
WRONG_MEDIA: dict[str, Change] = {
    "unknown event": lambda message: message.update(event="transfer"),
    "event is a number": lambda message: message.update(event=7),
    "no event": lambda message: message.pop("event"),
    "no media": lambda message: message.pop("media"),
    "media is a list": lambda message: message.update(media=[]),
    "media is null": lambda message: message.update(media=None),
    "no track": lambda message: message["media"].pop("track"),
    "unknown track": lambda message: message["media"].update(track="sideways"),
    "no timestamp": lambda message: message["media"].pop("timestamp"),
    "no payload": lambda message: message["media"].pop("payload"),
    "no base64": lambda message: message["media"].update(payload="!!!"),
    "base64 without its end": lambda message: message["media"].update(payload=PAYLOAD[:-1]),
    "payload is a number": lambda message: message["media"].update(payload=1),
}
WRONG_NUMBERS: list[object] = [
    *(
        "-4",
        "4.5",
        "four",
        "",
        "null",
        "0x10",
        "+4",
        " 4",
        "04",
        "\u0664",
        "9" * 20,
        "9" * 400,
        "4" * 5000,
    ),
    *(-4, 4.5, True, None, [], {}, 2**53, 10**19, 10**400, str(2**53)),
]


class TestRefusal:
    """Every dialect refuses every other message, with one of two reasons."""

    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize("change", WRONG_MEDIA.values(), ids=WRONG_MEDIA)
    def test_undocumented_message_is_refused(self, dialect: str, change: Change) -> None:
        message = document(dialect, "media")
        change(message)
        with pytest.raises(UnreadableMessage) as caught:
            DIALECTS[dialect].parse(json.dumps(message))

        assert caught.value.reason == "not_as_documented"
        assert PAYLOAD[:-1] not in caught.value.detail

    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize("number", WRONG_NUMBERS, ids=lambda number: repr(number)[:12])
    def test_value_that_is_not_a_number_is_refused(self, dialect: str, number: object) -> None:
        for change in ({}, {"new": 1}):
            message = document(dialect, "media") | {NUMBER[dialect]: number} | change
            with pytest.raises(UnreadableMessage) as caught:
                DIALECTS[dialect].parse(json.dumps(message))
            assert caught.value.reason == "not_as_documented"

    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize("number", [0, 4, "0", "4", 2**53 - 1, str(2**53 - 1)])
    def test_number_may_be_written_as_text(self, dialect: str, number: int | str) -> None:
        message = document(dialect, "media") | {NUMBER[dialect]: number}
        event = DIALECTS[dialect].parse(json.dumps(message))

        assert isinstance(event, Media)
        assert event.sequence == int(number)

    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize(
        "text",
        [
            *("", "RIFF....WAVE", "{", '{"event": "media", "new": ' + "[" * 100_000, "\ud800"),
            *('{"event": "media", "n": NaN}', '{"event": "media", "n": Infinity}', "{'event': 1}"),
            *(b"\xff\xfe", b'{"event": "media", "new": "\xff"}', b"\x00"),
        ],
    )
    def test_text_that_is_not_json_is_refused(self, dialect: str, text: str | bytes) -> None:
        for read in (DIALECTS[dialect].parse, DIALECTS[dialect].parse_return):
            with pytest.raises(UnreadableMessage) as caught:
                read(text)
            assert caught.value.reason == "not_json"

    @pytest.mark.parametrize(
        "said",
        [said for said in FROM_CARRIER if said.message["event"] not in {"connected", "stop"}],
        ids=names,
    )
    def test_message_without_its_main_object_is_refused(self, said: Said[CarrierEvent]) -> None:
        rest = dict(said.message)
        rest.pop("payload" if "payload" in rest else rest["event"])
        with pytest.raises(UnreadableMessage, match="not_as_documented"):
            DIALECTS[said.dialect].parse(json.dumps(rest))

    @pytest.mark.parametrize(
        ("dialect", "name", "value"),
        [
            *((dialect, "callSid", "") for dialect in ("twilio", "signalwire")),
            *((dialect, "callSid", "x" * 401) for dialect in ("twilio", "signalwire")),
            *(("twilio", "callSid", f"CA{letter}1") for letter in INVISIBLE),
            ("signalwire", "callSid", "CA\x1b[2J"),
            ("telnyx", "call_control_id", "v3:\n"),
            ("twilio", "mediaFormat", {"encoding": "audio/x-mulaw", "sampleRate": 0}),
            ("telnyx", "call_control_id", ""),
            ("telnyx", "call_control_id", "x" * 401),
            ("telnyx", "media_format", {"encoding": "PCMU", "sample_rate": 10**6}),
        ],
    )
    def test_start_with_a_senseless_value_is_refused(
        self, dialect: str, name: str, value: object
    ) -> None:
        message = document(dialect, "start")
        message["start"][name] = value
        with pytest.raises(UnreadableMessage, match="not_as_documented"):
            DIALECTS[dialect].parse(json.dumps(message))

    @pytest.mark.parametrize("stream_id", ["", "x" * 401, "x\u202e", None, []])
    def test_start_of_telnyx_needs_a_stream_id(self, stream_id: object) -> None:
        message = document("telnyx", "start") | {"stream_id": stream_id}
        with pytest.raises(UnreadableMessage, match="not_as_documented"):
            DIALECTS["telnyx"].parse(json.dumps(message))

    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize("digit", ["", "55", 55, None])
    def test_key_is_one_character(self, dialect: str, digit: object) -> None:
        message = document(dialect, "dtmf")
        message["dtmf"]["digit"] = digit
        with pytest.raises(UnreadableMessage, match="not_as_documented"):
            DIALECTS[dialect].parse(json.dumps(message))

    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize("message", [{}, {"event": "stop"}, {"event": "media"}, {"event": 1}])
    def test_to_the_carrier(self, dialect: str, message: dict[str, Any]) -> None:
        with pytest.raises(UnreadableMessage, match="not_as_documented"):
            DIALECTS[dialect].parse_return(json.dumps({"streamSid": "x"} | message))

    @pytest.mark.parametrize("digit", ["", "55", "x", "5\n", "E", "\u0665", 55])
    def test_key_that_no_phone_has_cannot_be_pressed(self, digit: object) -> None:
        message = {"event": "dtmf", "streamSid": "x", "dtmf": {"digit": digit}}
        with pytest.raises(UnreadableMessage, match="not_as_documented"):
            DIALECTS["signalwire"].parse_return(json.dumps(message))


# Strategies: whatever each dialect can carry.
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names_ = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=20)
counters = st.integers(0, 2**53 - 1)
tracks = st.sampled_from(["inbound", "outbound"])
digits = st.sampled_from("0123456789*#ABCD")
formats = st.builds(
    AudioFormat,
    st.sampled_from([*CODECS, "audio/x-new"]),
    st.integers(1, 192_000),
    st.integers(1, 8),
)
parameters = st.dictionaries(text, text, max_size=3)
optional = st.none() | text
# JSON that keeps its value through any reader and writer.
unknown = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)
# No dialect documents names of this form.
extras = st.dictionaries(text.map("new {}".format), unknown, max_size=2).map(
    lambda fields: msgspec.json.encode(fields).decode() if fields else ""
)
start_fields = {
    "sequence": counters,
    "carrier_stream_id": names_,
    "call_id": names_,
    "format": formats,
    "parameters": parameters,
    "extra": extras,
}
with_words = {
    Media: st.builds(Media, counters, tracks, counters, counters, st.binary(), extra=extras),
}
camel_start = st.builds(
    Start, account_id=names_, tracks=st.lists(tracks, max_size=2).map(tuple), **start_fields
)
CARRIED: dict[str, st.SearchStrategy[CarrierEvent]] = {
    "twilio": st.one_of(
        st.builds(Connected, text, text, extra=extras),
        camel_start,
        with_words[Media],
        st.builds(Dtmf, counters, tracks, digits, extra=extras),
        st.builds(Mark, counters, text, extra=extras),
        st.builds(Stop, counters, text, text, extra=extras),
    ),
    "telnyx": st.one_of(
        st.builds(Connected, optional, text, extra=extras),
        st.builds(
            Start,
            account_id=text,
            tracks=st.just(()),
            session_id=st.none() | names_,
            from_number=optional,
            to_number=optional,
            tags=st.lists(text, max_size=3).map(tuple),
            client_state=optional,
            **start_fields,
        ),
        with_words[Media],
        st.builds(Dtmf, counters, st.just("inbound"), digits, occurred_at=optional, extra=extras),
        st.builds(Mark, st.none() | counters, text, extra=extras),
        st.builds(
            Error,
            st.none() | counters,
            text | st.from_regex(r"[0-9]{1,30}", fullmatch=True) | st.just("9" * 5000),
            text,
            text,
            extra=extras,
        ),
        st.builds(Stop, counters, optional, optional, extra=extras),
    ),
    "signalwire": st.one_of(
        st.builds(Connected, text, text, extra=extras),
        camel_start,
        with_words[Media],
        st.builds(Dtmf, counters, st.just("inbound"), digits, st.none() | counters, extra=extras),
        st.builds(Mark, st.none(), text, extra=extras),
        st.builds(Stop, counters, extra=extras),
    ),
}


class TestRoundTrips:
    @pytest.mark.parametrize("dialect", DIALECTS)
    @given(data=st.data())
    def test_rendered_event_is_parsed_unchanged(self, dialect: str, data: st.DataObject) -> None:
        event = data.draw(CARRIED[dialect])
        stream_id = event.carrier_stream_id if isinstance(event, Start) else "stream"

        assert DIALECTS[dialect].parse(DIALECTS[dialect].render(event, stream_id)) == event

    @pytest.mark.parametrize(("source", "target"), PAIRS)
    @given(data=st.data())
    def test_translation_keeps_the_essence(
        self, source: str, target: str, data: st.DataObject
    ) -> None:
        event = data.draw(CARRIED[source])
        if (target, type(event)) in INEXPRESSIBLE:
            return
        stream_id = event.carrier_stream_id if isinstance(event, Start) else "stream"
        if isinstance(event, Start) and not event.account_id:
            event = replace(event, account_id="account")  # a Name elsewhere
        heard = DIALECTS[target].parse(translate(event, source, target, stream_id))

        if isinstance(event, Dtmf):  # which only Twilio may say of the other side
            heard = replace(heard, track=event.track)
        expected = DIALECTS[target].PROTOCOL if isinstance(event, Connected) else event
        assert essence(heard) == essence(expected)

    @pytest.mark.parametrize("dialect", DIALECTS)
    @given(text=st.text() | st.binary() | unknown.map(json.dumps))
    def test_parser_raises_no_other_error(self, dialect: str, text: str | bytes) -> None:
        for read in (recognise, DIALECTS[dialect].parse, DIALECTS[dialect].parse_return):
            with suppress(UnreadableMessage):
                read(text)
