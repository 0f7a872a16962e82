"""The dialects: each vendor's documents, literally, and each dialect against every other."""

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
from callstream.dialects import DIALECTS, recognise, translate, translate_return
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
from tests.unit.documents import FROM_CARRIER, PAYLOAD, STREAMS, TO_CARRIER, Said

# What a vendor's documents have no words for. Everything else, every dialect must have.
WITHOUT_WORDS = {
    ("twilio", Error),
    ("signalwire", Error),
    ("twilio", ReturnDtmf),
    ("telnyx", ReturnDtmf),
}

PAIRS = list(permutations(DIALECTS, 2))


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
    def test_a_carriers_first_word(self, dialect: str) -> None:
        written = DIALECTS[dialect].render(DIALECTS[dialect].PROTOCOL, STREAMS[dialect])

        assert json.loads(written) == document(dialect, "connected")


class TestParity:
    def test_every_dialect_has_words_for_every_event_but_those_that_its_vendor_lacks(self) -> None:
        events = {*get_args(CarrierEvent), *get_args(ReturnEvent)}
        documented = {(said.dialect, type(said.event)) for said in (*FROM_CARRIER, *TO_CARRIER)}

        assert documented == set(product(DIALECTS, events)) - WITHOUT_WORDS

    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize("kind", get_args(CarrierEvent))
    def test_from_the_carrier(self, dialect: str, kind: type[CarrierEvent]) -> None:
        for said in (said for said in FROM_CARRIER if isinstance(said.event, kind)):
            if (dialect, kind) in WITHOUT_WORDS:
                with pytest.raises(Inexpressible, match=dialect):
                    DIALECTS[dialect].render(said.event, STREAMS[dialect])
            else:
                written = translate(said.event, said.dialect, dialect, STREAMS[dialect])
                assert isinstance(DIALECTS[dialect].parse(written), kind)

    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize("kind", get_args(ReturnEvent))
    def test_to_the_carrier(self, dialect: str, kind: type[ReturnEvent]) -> None:
        for said in (said for said in TO_CARRIER if isinstance(said.event, kind)):
            if (dialect, kind) in WITHOUT_WORDS:
                with pytest.raises(Inexpressible, match=dialect):
                    DIALECTS[dialect].render_return(said.event, STREAMS[dialect])
            else:
                written = DIALECTS[dialect].render_return(said.event, STREAMS[dialect])
                assert DIALECTS[dialect].parse_return(written) == said.event


class TestTranslation:
    """Whatever one carrier says can be said as any other does, as far as that has words for it."""

    @pytest.mark.parametrize(("source", "target"), PAIRS)
    def test_from_the_carrier(self, source: str, target: str) -> None:
        for said in (said for said in FROM_CARRIER if said.dialect == source):
            event = replace(said.event, extra='{"new":1}')
            if (target, type(event)) in WITHOUT_WORDS:
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

    @pytest.mark.parametrize(("source", "target"), PAIRS)
    def test_to_the_carrier(self, source: str, target: str) -> None:
        for said in (said for said in TO_CARRIER if said.dialect == source):
            event = replace(said.event, extra='{"new":1}')
            if (target, type(event)) in WITHOUT_WORDS:
                with pytest.raises(Inexpressible):
                    translate_return(event, source, target, STREAMS[target])
                continue
            text = translate_return(event, source, target, STREAMS[target])
            assert DIALECTS[target].parse_return(text) == said.event

    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_into_itself_changes_nothing(self, dialect: str) -> None:
        for said in (said for said in FROM_CARRIER if said.dialect == dialect):
            event = replace(said.event, extra='{"new":1}')
            text = translate(event, dialect, dialect, STREAMS[dialect])
            assert DIALECTS[dialect].parse(text) == event
        for back in (said for said in TO_CARRIER if said.dialect == dialect):
            answer = replace(back.event, extra='{"new":1}')
            text = translate_return(answer, dialect, dialect, STREAMS[dialect])
            assert DIALECTS[dialect].parse_return(text) == answer

    def test_what_a_whole_call_keeps_on_its_way_through_all_of_them(self) -> None:
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
    """What of an event every dialect has words for."""
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
    """They are kept as JSON text, at their place, go out in the same dialect and no other."""

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

    def test_a_secret_of_telnyx_connected_message_is_such_a_field(self) -> None:
        text = """{"event": "connected", "version": "1.0.0",
            "connected": {"x-telnyx-streaming-auth-token": "per-call-secret"}}"""

        assert recognise(text) == "telnyx"
        assert "per-call-secret" in DIALECTS["telnyx"].parse(text).extra

    def test_those_of_an_older_error_go_out_in_the_present_form(self) -> None:
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

    def test_a_parameter_of_telnyx_may_have_some_which_are_left_out(self) -> None:
        message = document("telnyx", "start")
        message["start"]["custom_parameters"] = [{"name": "a", "value": "b", "new": 1}]
        event = DIALECTS["telnyx"].parse(json.dumps(message))

        assert isinstance(event, Start)
        assert event.parameters == {"a": "b"}

    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize("brackets", ["[]", '{"a":}'])
    def test_they_may_be_nested_and_not_without_end(self, dialect: str, brackets: str) -> None:
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
    def test_a_codec_is_carried(self, dialect: str, codec: str, rate: int, channels: int) -> None:
        form = AudioFormat(codec, rate, channels)
        start = replace(FROM_CARRIER[1].event, format=form)
        written = DIALECTS[dialect].render(start, STREAMS[dialect])
        read = DIALECTS[dialect].parse(written)

        assert isinstance(read, Start)
        assert read.format == form

    @pytest.mark.parametrize("dialect", ["twilio", "signalwire"])
    def test_media_types_are_written_as_the_documents_have_them(self, dialect: str) -> None:
        for codec, written in {"PCMU": "audio/x-mulaw", "L16": "audio/x-L16"}.items():
            start = replace(FROM_CARRIER[1].event, format=AudioFormat(codec, 8000, 1))
            message = json.loads(DIALECTS[dialect].render(start, "x"))
            assert message["start"]["mediaFormat"]["encoding"] == written

    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_an_unknown_codec_keeps_its_name(self, dialect: str) -> None:
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
            # What is within a message does not matter, only what is at its top.
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
            # Keys pressed: only Twilio says on which track.
            (TWILIO_DTMF | {"dtmf": {"digit": "5"}}, "signalwire"),
            (TWILIO_DTMF | {"dtmf": {"track": None}}, "twilio"),
            (TWILIO_DTMF | {"dtmf": "track"}, "signalwire"),
            (TWILIO_DTMF | {"dtmf": ["track"]}, "signalwire"),
            (TWILIO_DTMF | {"dtmf": None}, "signalwire"),
            ({"event": "dtmf", "streamSid": "x", "sequenceNumber": "1"}, "signalwire"),
            # A name is enough, whatever its value.
            ({"event": "media", "stream_id": None}, "telnyx"),
            ({"event": "media", "sequence_number": {}}, "telnyx"),
            ({"event": "media", "streamSid": [], "sequenceNumber": 1}, "twilio"),
            ({"event": "mark", "streamSid": 0}, "signalwire"),
            ({"event": "transfer", "stream_id": "x"}, "telnyx"),
            # Telnyx's names are nobody else's.
            (TELNYX_MEDIA | {"streamSid": "x", "sequenceNumber": "1"}, "telnyx"),
            ({"event": "connected"}, "telnyx"),
            ({"event": "connected", "version": "0.2.0"}, "telnyx"),
            ({"event": "connected", "protocol": "Call", "version": "1.0.0"}, "twilio"),
            ({"event": "connected", "protocol": "Call", "version": "0.3.0"}, "signalwire"),
            ({"event": "connected", "protocol": "Call"}, "signalwire"),
            ({"event": "connected", "protocol": None, "version": ["1.0.0"]}, "signalwire"),
        ],
    )
    def test_by_shape(self, message: object, dialect: str) -> None:
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
    def test_what_is_nobodys(self, text: str) -> None:
        with pytest.raises(UnreadableMessage, match="not_as_documented"):
            recognise(text)

    @pytest.mark.parametrize("text", ["", "RIFF", b"\xff\xfe", "\ud800", "{", '{"event": "media"'])
    def test_what_is_no_json(self, text: str | bytes) -> None:
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
    "no chunk": lambda message: message["media"].pop("chunk"),
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
    """Every other message is refused with one of two reasons, by every dialect."""

    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize("change", WRONG_MEDIA.values(), ids=WRONG_MEDIA)
    def test_not_as_documented(self, dialect: str, change: Change) -> None:
        message = document(dialect, "media")
        change(message)
        with pytest.raises(UnreadableMessage) as caught:
            DIALECTS[dialect].parse(json.dumps(message))

        assert caught.value.reason == "not_as_documented"
        assert PAYLOAD[:-1] not in caught.value.detail

    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize("number", WRONG_NUMBERS, ids=lambda number: repr(number)[:12])
    def test_a_number_that_is_none(self, dialect: str, number: object) -> None:
        for change in ({}, {"new": 1}):
            message = document(dialect, "media") | {NUMBER[dialect]: number} | change
            with pytest.raises(UnreadableMessage) as caught:
                DIALECTS[dialect].parse(json.dumps(message))
            assert caught.value.reason == "not_as_documented"

    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize("number", [0, 4, "0", "4", 2**53 - 1, str(2**53 - 1)])
    def test_a_number_may_be_text_or_not(self, dialect: str, number: int | str) -> None:
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
    def test_not_json(self, dialect: str, text: str | bytes) -> None:
        for read in (DIALECTS[dialect].parse, DIALECTS[dialect].parse_return):
            with pytest.raises(UnreadableMessage) as caught:
                read(text)
            assert caught.value.reason == "not_json"

    @pytest.mark.parametrize("said", FROM_CARRIER, ids=names)
    def test_no_message_may_lack_what_it_is_about(self, said: Said[CarrierEvent]) -> None:
        kind = said.message["event"]
        rest = dict(said.message)
        if rest.pop("payload" if "payload" in rest else kind, None) is None:
            rest.pop("version" if kind == "connected" else NUMBER[said.dialect])
        with pytest.raises(UnreadableMessage, match="not_as_documented"):
            DIALECTS[said.dialect].parse(json.dumps(rest))

    @pytest.mark.parametrize(
        ("dialect", "name", "value"),
        [
            *((dialect, "callSid", "") for dialect in ("twilio", "signalwire")),
            *((dialect, "callSid", "x" * 401) for dialect in ("twilio", "signalwire")),
            *((dialect, "tracks", ["both"]) for dialect in ("twilio", "signalwire")),
            *((dialect, "tracks", "inbound") for dialect in ("twilio", "signalwire")),
            *((dialect, "customParameters", {"a": 1}) for dialect in ("twilio", "signalwire")),
            ("twilio", "mediaFormat", {"encoding": "audio/x-mulaw", "sampleRate": 0}),
            ("signalwire", "mediaFormat", {"encoding": "x", "sampleRate": 8000, "channels": 9}),
            ("telnyx", "call_control_id", ""),
            ("telnyx", "call_control_id", "x" * 401),
            ("telnyx", "media_format", {"encoding": "PCMU", "sample_rate": 10**6}),
            ("telnyx", "custom_parameters", [{"name": "a"}]),
            ("telnyx", "custom_parameters", "a=b"),
            ("telnyx", "tags", [1]),
        ],
    )
    def test_a_start_that_makes_no_sense(self, dialect: str, name: str, value: object) -> None:
        message = document(dialect, "start")
        message["start"][name] = value
        with pytest.raises(UnreadableMessage, match="not_as_documented"):
            DIALECTS[dialect].parse(json.dumps(message))

    @pytest.mark.parametrize("stream_id", ["", "x" * 401, None, 5])
    def test_a_start_of_telnyx_needs_its_stream_id(self, stream_id: object) -> None:
        message = document("telnyx", "start") | {"stream_id": stream_id}
        with pytest.raises(UnreadableMessage, match="not_as_documented"):
            DIALECTS["telnyx"].parse(json.dumps(message))

    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize("digit", ["", "55", 5, None])
    def test_a_key_is_one_character(self, dialect: str, digit: object) -> None:
        message = document(dialect, "dtmf")
        message["dtmf"]["digit"] = digit
        with pytest.raises(UnreadableMessage, match="not_as_documented"):
            DIALECTS[dialect].parse(json.dumps(message))

    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize("message", [{}, {"event": "stop"}, {"event": "media"}, {"event": 1}])
    def test_to_the_carrier(self, dialect: str, message: dict[str, Any]) -> None:
        with pytest.raises(UnreadableMessage, match="not_as_documented"):
            DIALECTS[dialect].parse_return(json.dumps({"streamSid": "x"} | message))

    @pytest.mark.parametrize("digit", ["", "55", "x", "5\n", "E", "\u0665", 5])
    def test_what_is_no_key_to_press(self, digit: object) -> None:
        message = {"event": "dtmf", "streamSid": "x", "dtmf": {"digit": digit}}
        with pytest.raises(UnreadableMessage, match="not_as_documented"):
            DIALECTS["signalwire"].parse_return(json.dumps(message))


# Strategies: whatever each dialect can carry.
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names_ = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
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
    def test_what_is_written_is_read_as_it_was(self, dialect: str, data: st.DataObject) -> None:
        event = data.draw(CARRIED[dialect])
        stream_id = event.carrier_stream_id if isinstance(event, Start) else "stream"

        assert DIALECTS[dialect].parse(DIALECTS[dialect].render(event, stream_id)) == event

    @pytest.mark.parametrize(("source", "target"), PAIRS)
    @given(data=st.data())
    def test_what_is_translated_says_the_same(
        self, source: str, target: str, data: st.DataObject
    ) -> None:
        event = data.draw(CARRIED[source])
        if (target, type(event)) in WITHOUT_WORDS:
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
    def test_only_one_kind_of_error(self, dialect: str, text: str | bytes) -> None:
        for read in (recognise, DIALECTS[dialect].parse, DIALECTS[dialect].parse_return):
            with suppress(UnreadableMessage):
                read(text)
