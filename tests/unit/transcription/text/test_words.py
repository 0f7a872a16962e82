from callstream.frames.records import Word
from callstream.transcription.engine import Utterance
from callstream.transcription.text.draft import Draft, Edit
from callstream.transcription.text.words import words_of


def utterance(text: str, *words: Word) -> Utterance:
    return Utterance(0, 1000, 2000, text, words)


def test_words_have_the_times_of_the_engine() -> None:
    said = utterance(
        "Hello, (my) friend.",
        Word("Hello", 1000, 1200, confidence=0.9),
        Word("my", 1300, 1400, confidence=0.5),
        Word("friend", 1500, 2000),
    )

    assert words_of(Draft.of(said.text), said) == (
        Word("Hello", 1000, 1200, "", ",", 0.9),
        Word("my", 1300, 1400, "(", ")", 0.5),
        Word("friend", 1500, 2000, "", "."),
    )


def test_word_for_several_words_has_the_time_of_all() -> None:
    said = utterance(
        "the I triple e.",
        Word("the", 1000, 1100),
        Word("I", 1200, 1300, confidence=0.9),
        Word("triple", 1300, 1500, confidence=0.6),
        Word("e", 1500, 1700, confidence=0.8),
    )
    draft = Draft.of(said.text).edited([Edit(4, 14, "IEEE")])

    assert words_of(draft, said)[1] == Word("IEEE", 1200, 1700, "", ".", 0.6)


def test_words_share_the_time_by_letters_without_times_of_the_engine() -> None:
    said = utterance("No, I know it - yes!")

    assert words_of(Draft.of(said.text), said) == (
        Word("No", 1000, 1153, "", ","),
        Word("I", 1153, 1230),
        Word("know", 1230, 1538),
        Word("it", 1538, 1692, "", " -"),
        Word("yes", 1769, 2000, "", "!"),
    )


def test_words_share_the_time_if_the_words_of_the_engine_are_not_those_of_its_text() -> None:
    said = utterance("on and on", Word("on", 1000, 1100), Word("off", 1200, 1300))

    assert [word.start_ms for word in words_of(Draft.of(said.text), said)] == [1000, 1285, 1714]


def test_text_without_words_has_none() -> None:
    assert words_of(Draft.of(" ... "), utterance(" ... ")) == ()
    assert words_of(Draft.of(""), utterance("")) == ()
