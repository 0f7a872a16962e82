"""The keys that sign callbacks."""

from callstream.callbacks.keys import derive


def test_keys_differ_by_master_surface_and_key_id() -> None:
    keys = {
        derive("master", "telnyx", "a"),
        derive("other", "telnyx", "a"),
        derive("master", "signalwire", "a"),
        derive("master", "telnyx", "b"),
    }

    assert len(keys) == 4
    assert {len(key) for key in keys} == {32}


def test_keys_stay_as_they_were_issued() -> None:
    assert derive("master", "telnyx", "a").hex() == (
        "1e2fc268196dabde274be5de332212a6941cd199980d71f64a0df95413caa2aa"
    )
