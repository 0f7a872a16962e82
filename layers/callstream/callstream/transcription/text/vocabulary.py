"""The vocabulary: phrases that are written where they, or what is like them, have been heard."""

import re
from functools import lru_cache
from typing import Final

from callstream.transcription.model import Phrase
from callstream.transcription.text.draft import Draft, Edit
from callstream.transcription.text.placeholders import PLACEHOLDER

_BETWEEN_WORDS: Final = r"[\s-]+"
_CACHED: Final = 64


def with_vocabulary(draft: Draft, vocabulary: tuple[Phrase, ...]) -> Draft:
    """Write each phrase where one of its `sounds_like` is heard.

    Whole words are compared, in any case; the longest match wins. Punctuation around a match stays.
    """
    pattern, phrases = _compiled(vocabulary)
    return draft.edited(
        Edit(match.start(), match.end(), phrases[key])
        for match in pattern.finditer(draft.text)
        if (key := _key(match[0])) in phrases and not PLACEHOLDER.fullmatch(match[0])
    )


@lru_cache(maxsize=_CACHED)
def _compiled(vocabulary: tuple[Phrase, ...]) -> tuple[re.Pattern[str], dict[str, str]]:
    phrases: dict[str, str] = {}
    for phrase in vocabulary:
        for heard in phrase.sounds_like:
            if key := _key(heard):
                phrases.setdefault(key, phrase.phrase)
    longest_first = sorted(phrases, key=len, reverse=True)
    # A placeholder is matched first, so that nothing inside is replaced.
    alternatives = "|".join([PLACEHOLDER.pattern, *map(_pattern_of, longest_first)])
    return re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)", re.IGNORECASE), phrases


def _key(heard: str) -> str:
    return " ".join(re.split(_BETWEEN_WORDS, heard.replace("\u2019", "'").lower())).strip()


def _pattern_of(key: str) -> str:
    words = (re.escape(word).replace("'", "['\u2019]") for word in key.split(" "))
    return _BETWEEN_WORDS.join(words)
