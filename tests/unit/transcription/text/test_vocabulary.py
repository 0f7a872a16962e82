import pytest

from callstream.transcription.model import Phrase
from callstream.transcription.text.draft import Draft
from callstream.transcription.text.vocabulary import with_vocabulary

VOCABULARY = (
    Phrase(phrase="IEEE", sounds_like=("I triple e", "eye triple E")),
    Phrase(phrase="Acme", sounds_like=("ak me", "")),
    Phrase(phrase="Acme Books", sounds_like=("ak me books",)),
    Phrase(phrase="O'Neill", sounds_like=("o'neal",)),
    Phrase(phrase="Straße", sounds_like=("STRASSE", "name")),
    Phrase(phrase="hint only"),
)


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ("I work for eye triple e.", "I work for IEEE."),
        ("(I TRIPLE-E), ok?", "(IEEE), ok?"),
        ("Ak me's books", "Acme's books"),
        ("ak me books and ak me", "Acme Books and Acme"),
        ("ak  me bookshop", "Acme bookshop"),
        ("break me, akme", "break me, akme"),
        ("Mr. O’Neal", "Mr. O'Neill"),  # noqa: RUF001  # as engines write it
        ("strasse", "Straße"),
        ("my [NAME] and name", "my [NAME] and Straße"),
    ],
)
def test_phrase_is_written_where_it_is_heard(heard: str, expected: str) -> None:
    assert with_vocabulary(Draft.of(heard), VOCABULARY).text == expected


def test_text_stays_without_vocabulary() -> None:
    draft = Draft.of("ak me")

    assert with_vocabulary(draft, ()) is draft
    assert with_vocabulary(draft, (Phrase(phrase="hint only"),)) is draft
