"""What a window may be."""

import pytest

from callstream.reordering.window import Window


@pytest.mark.parametrize("max_dropout", [0, -5])
def test_window_reaches_the_next_message(max_dropout: int) -> None:
    with pytest.raises(ValueError, match="max_dropout"):
        Window(max_dropout=max_dropout)


@pytest.mark.parametrize("window", [{"messages": -1}, {"seconds": -0.1}])
def test_window_is_not_negative(window: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="negative"):
        Window(**window)
