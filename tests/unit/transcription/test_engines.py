"""The engines behind the port."""

from callstream.transcription.engine import EngineFailed


def test_failure_of_an_engine_is_named_by_its_reason_alone() -> None:
    failed = EngineFailed("quota", is_busy=True)

    assert (str(failed), failed.is_busy, failed.is_permanent) == ("quota", True, False)
