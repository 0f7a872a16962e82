"""From Amazon Transcribe's results to utterances."""

import json
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.adapters.aws.transcribe_results import Results
from callstream.frames.records import Word
from callstream.transcription.engine import EngineFailed, Utterance

Json = dict[str, Any]


def item(content: str, start: float = 0, end: float = 0, kind: str = "pronunciation") -> Json:
    return {"Content": content, "StartTime": start, "EndTime": end, "Type": kind}


def result(
    start: float,
    end: float,
    *items: Json,
    id_: str = "r",
    partial: bool = False,
    channel: str | None = None,
    **more: object,
) -> Json:
    text = " ".join(each["Content"] for each in items)
    return {
        "ResultId": id_,
        "StartTime": start,
        "EndTime": end,
        "IsPartial": partial,
        "ChannelId": channel,
        "Alternatives": [{"Transcript": text, "Items": items} | more],
    }


def event(*results: Json) -> bytes:
    return json.dumps({"Transcript": {"Results": results}}).encode()


def utterances(*results: Json, channels: int = 1) -> list[Utterance]:
    read = Results(channels)
    read.add(event(*results))
    return [*iter(read.take, None)]


def private(utterance: Utterance) -> list[str]:
    return [utterance.text[span.start : span.end] for span in utterance.private]


def spaced(text: str) -> list[Json]:
    """Items of a second for each word."""
    return [item(word, at, at + 1) for at, word in enumerate(text.split())]


def test_final_becomes_words_with_their_punctuation() -> None:
    items = (
        item("¿", 0.5, 0.5, "punctuation"),
        item("Quién", 0.5, 0.9) | {"Confidence": 0.98, "Stable": True},
        item("es", 1.0, 1.2496),
        item("?", 1.25, 1.25, "punctuation"),
        item(")", 1.25, 1.25, "punctuation"),
        item("¡", 1.3, 1.3, "punctuation"),
        item("Yo", 1.3, 1.5),
    )

    assert utterances(result(0.48, 1.6, *items)) == [
        Utterance(
            0,
            480,
            1600,
            "¿Quién es?) ¡Yo",
            (
                Word("Quién", 500, 900, before="¿", confidence=0.98),
                Word("es", 1000, 1250, after="?)"),
                Word("Yo", 1300, 1500, before="¡"),
            ),
        )
    ]


def test_final_without_items_is_its_transcript_and_without_words_is_none() -> None:
    nothing = result(0, 1, item(".", kind="punctuation"), id_="1") | {"Alternatives": []}
    bare = result(1, 2, id_="2", Transcript=" Hi there. ", Items=None, Entities=None)

    assert [each.text for each in utterances(nothing, bare)] == ["Hi there."]


def test_utterance_has_the_channel_of_its_result() -> None:
    both = [result(0, 1, item("a"), id_=each, channel=each) for each in ("ch_1", "ch_0")]

    assert [each.channel for each in utterances(*both, channels=2)] == [1, 0]


JANET: Final = "my name is janet smithy ok janet"


@pytest.mark.parametrize(
    ("text", "entities", "expected"),
    [
        # As in Amazon's guide.
        (JANET, [{"Content": "janet smithy", "StartTime": 3, "EndTime": 5}], ["janet smithy"]),
        (
            JANET,
            [{"Content": "is janet smithy", "StartTime": 4, "EndTime": 5}],
            ["is janet smithy"],
        ),
        (JANET, [{"Content": "Janet"}], ["janet", "janet"]),
        (JANET, [{"StartTime": 2.0004, "EndTime": 3}], ["is"]),
        # Times and text that are elsewhere.
        (JANET, [{"Content": "name", "StartTime": 5, "EndTime": 6}], ["name", "ok"]),
        (JANET, [{"Content": "4111", "StartTime": 90, "EndTime": 91}], [JANET]),
        (JANET, [{}], [JANET]),
        (JANET, [{"Content": "my name"}, {"Content": "name is"}], ["my name is"]),
        ("i am [NAME] and [PII] [sic]", [], ["[NAME]", "[PII]"]),
        (JANET, None, []),
    ],
)
def test_private_spans_are_those_of_entities_and_placeholders(
    text: str, entities: list[Json] | None, expected: list[str]
) -> None:
    [utterance] = utterances(result(0, 9, *spaced(text), Entities=entities))

    assert private(utterance) == expected


def test_entities_of_a_line_without_items_are_found_by_their_text() -> None:
    line = result(0, 9, Transcript="pin 8642.", Items=[], Entities=[{"Content": "8642"}])

    assert [private(each) for each in utterances(line)] == [["8642"]]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b'{"Transcript": {"Results": [{}]}}',
        b"\xff",
        event(result(0, 1, channel="ch_2")),
        event(result(0, 1, channel="left")),
    ],
)
def test_event_that_is_none_of_amazons_fails_the_session(payload: bytes) -> None:
    with pytest.raises(EngineFailed, match="unreadable answer"):
        Results(2).add(payload)


def test_event_without_results_gives_nothing() -> None:
    read = Results(1)
    read.add(b'{"Transcript": {"Results": null}}')

    assert read.take() is None


def test_settled_time_waits_for_partials_and_for_finals_that_were_not_taken() -> None:
    read = Results(1)
    read.add(event(result(7, 8, id_="1", partial=True)))
    assert read.settled_ms(0) == 3000  # five seconds before what has come
    read.add(event(result(7, 20, id_="1", partial=True)))
    assert read.settled_ms(0) == 6500  # the first word may have begun before
    read.add(event(result(7, 20, item("a"), id_="1")))
    assert read.settled_ms(0) == 7000
    assert read.take() is not None
    assert read.settled_ms(0) == 20_000


def test_settled_time_of_a_silent_track_follows_the_other_track() -> None:
    read = Results(2)
    read.add(event(result(58, 60, id_="1", channel="ch_0", partial=True)))

    assert (read.settled_ms(0), read.settled_ms(1)) == (55_000, 55_000)
    read.add(event(result(50, 60, id_="2", channel="ch_1", partial=True)))
    assert read.settled_ms(1) == 55_000  # never goes back


def test_settled_time_of_silence_follows_after_fifteen_quiet_seconds() -> None:
    read = Results(1)
    for second in range(40):
        read.fed(second * 1000)
        read.look()
    assert read.settled_ms(0) == 24_000

    read.end()
    assert read.settled_ms(0) == 39_000


def test_settled_time_of_silence_that_is_fed_at_once_follows_in_real_time() -> None:
    read = Results(1)
    read.fed(60_000)
    for _ in range(25):
        read.look()
    assert read.settled_ms(0) == 11_000

    read.add(event(result(40, 41, id_="1", partial=True)))
    assert read.settled_ms(0) == 36_000


def test_partial_that_is_given_up_does_not_hold_the_settled_time() -> None:
    read = Results(1)
    read.add(event(result(1, 2, id_="1", partial=True), result(3, 4, item("a"), id_="2")))

    assert [each.text for each in iter(read.take, None)] == ["a"]
    read.add(event(result(30, 31, id_="3", partial=True)))
    assert read.settled_ms(0) == 26_000


@st.composite
def tracks(draw: st.DrawFn) -> list[list[Json]]:
    """The results of two tracks, with repeats and with finals of nothing."""
    found: list[list[Json]] = [[], []]
    for number, results in enumerate(found):
        at = 0.0
        for line in range(draw(st.integers(0, 4))):
            start = at + draw(st.floats(0, 9))
            known: Json = {"id_": f"{number}-{line}", "channel": f"ch_{number}"}
            lengths = sorted(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
            for length in lengths:
                results.append(result(start, start + length, item("w"), partial=True, **known))
            at = start + lengths[-1]
            words = [item(known["id_"], start, at)] * draw(st.integers(0, 1))
            results.append(result(start, at, *words, **known))
            results.extend([draw(st.sampled_from(results))] * draw(st.integers(0, 1)))
    return found


def spoken(results: list[Json]) -> list[str]:
    """The text of each final, in order."""
    finals = [each["Alternatives"][0] for each in results if not each["IsPartial"]]
    return [*dict.fromkeys(each["Transcript"] for each in finals if each["Items"])]


@given(tracks(), st.data())
def test_any_mixture_of_partials_and_finals_gives_each_final_once(
    tracks: list[list[Json]], data: st.DataObject
) -> None:
    order = data.draw(st.permutations([0] * len(tracks[0]) + [1] * len(tracks[1])))
    mixed = [tracks[number].pop(0) for number in order]
    expected, read, got = spoken(mixed), Results(2), []
    while mixed:
        size = data.draw(st.integers(1, len(mixed)))
        read.add(event(*mixed[:size]))
        del mixed[:size]
        if data.draw(st.booleans()):
            got += [each.text for each in iter(read.take, None)]
    got += [each.text for each in iter(read.take, None)]

    assert got == expected


@given(tracks(), st.data())
def test_settled_time_never_passes_what_is_said_later(
    tracks: list[list[Json]], data: st.DataObject
) -> None:
    read, settled = Results(2), [0, 0]
    for each in sorted(tracks[0] + tracks[1], key=lambda each: each["EndTime"]):
        read.add(event(each))
        if data.draw(st.booleans()) and (utterance := read.take()) is not None:
            assert utterance.start_ms >= settled[utterance.channel]
        now = [read.settled_ms(0), read.settled_ms(1)]
        assert now[0] >= settled[0]
        assert now[1] >= settled[1]
        settled = now
    for utterance in iter(read.take, None):
        assert utterance.start_ms >= settled[utterance.channel]
