"""The words for close codes."""

import pytest
from websockets.frames import CloseCode

from callstream_cli.close_codes import in_words


@pytest.mark.parametrize("code", set(CloseCode) - {CloseCode.NORMAL_CLOSURE})
def test_close_code_of_the_standard_is_explained(code: int) -> None:
    assert in_words(int(code)).startswith(f"{int(code)} (")


@pytest.mark.parametrize("code", [1000, 4000])
def test_close_code_without_more_to_say_stands_alone(code: int) -> None:
    assert in_words(code) == f"{code}"
