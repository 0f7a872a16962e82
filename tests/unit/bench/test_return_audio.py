"""What a consumer says is posted without silence, however long a post takes."""

import pytest

from bench.return_audio import measure, speak


@pytest.mark.parametrize("pause", [0.0, 0.15, 0.7, 1.0])
@pytest.mark.parametrize("post_seconds", [0.0, 0.023, 0.05, 0.079, 0.12, 0.2])
def test_speech_waits_for_one_post_at_most(pause: float, post_seconds: float) -> None:
    carrier = speak(5, pause, post_seconds)

    assert carrier.speech == 5
    assert carrier.silence <= post_seconds + 1e-6
    assert carrier.posts_a_second <= (50 if pause == 1 else 15)


@pytest.mark.parametrize("post_seconds", [0.0, 0.023, 0.05, 0.079, 0.1])
def test_sentence_that_comes_at_once_is_played_without_silence(post_seconds: float) -> None:
    assert speak(5, 0, post_seconds).silence == 0


def test_posts_of_both_consumers_are_within_their_budgets() -> None:
    assert {line.verdict for line in measure()} == {"ok"}
