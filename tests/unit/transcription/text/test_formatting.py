import pytest

from callstream.transcription.text.draft import Draft
from callstream.transcription.text.formatting import without_formatting


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, I'm Ann. How are you?", "hello i'm ann how are you"),
        ("Forty-two - no, 3.5 or 1,200!", "forty two no 3.5 or 1,200"),
        ("U.S.A. “quoted” (yes)", "usa quoted yes"),
        ("¿Qué? ¡Sí!", "qué sí"),
        ("It's ##-## [NAME], 5%", "it's ##-## [NAME] 5%"),
        ("He said 'yes' twice.", "he said yes twice"),
        ("... ", ""),
    ],
)
def test_plain_text_has_neither_capitals_nor_punctuation(text: str, expected: str) -> None:
    assert without_formatting(Draft.of(text)).text == expected
