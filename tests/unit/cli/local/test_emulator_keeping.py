"""What outlives the emulator, on the emulator's side."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from callstream_cli.local.emulator_keeping import Keeper, keep_api_ids, require_stores, snapshot

KEPT_ITEM = {"pk": {"S": "TENANT#acme"}, "sk": {"S": "TENANT"}}


class Store:
    """As much of ministack's scoped dictionaries as is used."""

    def __init__(self, **entries: Any) -> None:
        self.entries = entries

    def all_items(self) -> list[tuple[tuple[str, str, str], Any]]:
        return [(("000000000000", "us-east-1", name), each) for name, each in self.entries.items()]


def services() -> tuple[Any, Any]:
    tables = {
        "mine-DirectoryTable-1A": {"items": {"TENANT#acme": {"TENANT": KEPT_ITEM}}},
        "mine-StreamsTable-1A": {"items": {"STREAM#1": {"STREAM": {"pk": {"S": "STREAM#1"}}}}},
    }
    versions = {
        "1": {"SecretString": "old", "Stages": ["AWSPREVIOUS"]},
        "2": {"SecretString": "new", "Stages": ["AWSCURRENT"]},
    }
    secrets = {
        "pepper": {"DeletedDate": None, "Versions": versions},
        "gone": {"DeletedDate": 1, "Versions": versions},
    }
    return SimpleNamespace(_tables=Store(**tables)), SimpleNamespace(_secrets=Store(**secrets))


def test_snapshot_has_the_directory_and_the_current_secrets() -> None:
    assert snapshot(*services()) == {"items": [KEPT_ITEM], "secrets": {"pepper": "new"}}


@pytest.mark.parametrize("missing", ["_tables", "_secrets"])
def test_stores_of_a_changed_ministack_are_reported(missing: str) -> None:
    dynamodb, secrets = services()
    require_stores(dynamodb, secrets)
    delattr(dynamodb if missing == "_tables" else secrets, missing)
    with pytest.raises(RuntimeError, match=r"requirements/ministack\.in"):
        require_stores(dynamodb, secrets)


class TestKeeper:
    def test_state_is_written_when_it_has_changed_and_is_complete(self, tmp_path: Path) -> None:
        state, ready = tmp_path / "state.json", tmp_path / "ready"
        state.write_text("of the stack before")
        present: dict[str, Any] = {"items": []}
        keeper = Keeper(state, ready, lambda: present)

        keeper.save()
        # A new emulator without the kept state must not overwrite it.
        assert state.read_text() == "of the stack before"
        ready.touch()
        keeper.save()
        assert json.loads(state.read_text()) == {"items": []}
        assert state.stat().st_mode & 0o077 == 0
        state.unlink()
        keeper.save()
        assert not state.exists()
        present["items"] = [KEPT_ITEM]
        keeper.save()
        assert json.loads(state.read_text()) == present
        assert sorted(each.name for each in tmp_path.iterdir()) == ["ready", "state.json"]


class TestApiIds:
    @pytest.fixture
    def taken(self) -> set[str]:
        return set()

    @pytest.fixture
    def modules(self, taken: set[str]) -> tuple[Any, Any]:
        def of_rest(tags: Any) -> tuple[str | None, object]:
            return tags.get("ms-custom-id"), tags.get("error")

        def of_websocket(tags: Any, _existing: Any) -> str | None:
            found: str | None = tags.get("ms-custom-id")
            return found

        def scope(id_: str) -> object:
            return ("account", "region") if id_ in taken else None

        rest = SimpleNamespace(_resolve_custom_rest_api_id=of_rest, find_api_scope=scope)
        websocket = SimpleNamespace(_resolve_custom_api_id=of_websocket)
        keep_api_ids(rest, websocket)
        return rest, websocket

    def test_id_follows_from_the_logical_id(
        self, modules: tuple[Any, Any], taken: set[str]
    ) -> None:
        rest, websocket = modules
        tags = {
            "aws:cloudformation:stack-name": "mine",
            "aws:cloudformation:logical-id": "AsappApi",
        }
        id_, error = rest._resolve_custom_rest_api_id(tags)
        other = websocket._resolve_custom_api_id(
            tags | {"aws:cloudformation:logical-id": "MediaApi"}, {}
        )

        assert error is None
        assert rest._resolve_custom_rest_api_id(dict(tags)) == (id_, None)
        assert (len(id_), len(other), id_ == other) == (8, 8, False)
        taken.add(id_)
        assert rest._resolve_custom_rest_api_id(tags) == (None, None)

    def test_other_apis_keep_their_ids(self, modules: tuple[Any, Any]) -> None:
        rest, websocket = modules
        assert rest._resolve_custom_rest_api_id({}) == (None, None)
        assert rest._resolve_custom_rest_api_id({"error": "bad"}) == (None, "bad")
        assert rest._resolve_custom_rest_api_id({"ms-custom-id": "x"}) == ("x", None)
        assert websocket._resolve_custom_api_id({"ms-custom-id": "x"}, {}) == "x"
        assert websocket._resolve_custom_api_id({}, {}) is None

    @pytest.mark.parametrize(
        "missing", ["_resolve_custom_rest_api_id", "find_api_scope", "_resolve_custom_api_id"]
    )
    def test_changed_ministack_is_reported(self, missing: str) -> None:
        names = ["_resolve_custom_rest_api_id", "find_api_scope", "_resolve_custom_api_id"]
        module = SimpleNamespace(**{name: print for name in names if name != missing})
        with pytest.raises(RuntimeError, match=r"requirements/ministack\.in"):
            keep_api_ids(module, module)
