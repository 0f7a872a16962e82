"""Connections with their keys: interrupted at any step, and changed by others at any step."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import boto3
import pytest
from moto import mock_aws

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.dialogues import connection_keys
from callstream.dialogues.connection_keys import KeyedConnections, TooManyConnections
from callstream.dialogues.connections import (
    ConnectionRecord,
    ConnectionSettings,
    ConnectionStore,
)
from callstream.errors import Forbidden, NotFound, Unavailable
from callstream.ports import Item
from tests.template import create_table

Step = Callable[[], None]


class Steps:
    """Lets something happen before or after one of the steps that write."""

    def __init__(self) -> None:
        self.taken = 0
        self.at: int | None = None
        self.before: Step | None = None
        self.after: Step | None = None

    def take(self, write: Step) -> None:
        number, self.taken = self.taken, self.taken + 1
        is_now = number == self.at
        if is_now and self.before is not None:
            self.before()
        write()
        if is_now and self.after is not None:
            self.after()


class Table(DynamoTable):
    """A table whose writes are steps."""

    def __init__(self, name: str, steps: Steps) -> None:
        super().__init__(name)
        self._steps = steps

    def transact(self, operations: Any) -> None:
        self._steps.take(lambda: super(Table, self).transact(operations))


class Keys:
    """A secret store in memory, whose writes are steps."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.kept: dict[tuple[str, str, str], str] = {}

    def store(self, tenant_id: str, connection_id: str, version: str, key: str) -> None:
        def write() -> None:
            assert (tenant_id, connection_id, version) not in self.kept
            self.kept[tenant_id, connection_id, version] = key

        self._steps.take(write)

    def read(self, tenant_id: str, connection_id: str, version: str) -> str | None:
        return self.kept.get((tenant_id, connection_id, version))

    def delete(self, tenant_id: str, connection_id: str, version: str) -> None:
        def write() -> None:
            self.kept.pop((tenant_id, connection_id, version), None)

        self._steps.take(write)


class Scene:
    """A tenant with keyed connections."""

    def __init__(self) -> None:
        self.steps = Steps()
        self.table = Table(create_table(boto3.client("dynamodb"), "DirectoryTable"), self.steps)
        self.keys = Keys(self.steps)
        ids = count(1)
        self.connections = KeyedConnections(
            ConnectionStore(self.table), self.keys, lambda: f"id{next(ids)}"
        )
        self.table.put(TENANT)

    def save(self, project: str, connection_id: str = "c1", **options: Any) -> None:
        self.connections.save(settings(project, connection_id), f"key of {project}", **options)

    def delete(self) -> None:
        self.connections.delete("acme", "c1")

    def opened(self) -> str | None:
        """The project of the connection, whose key must be the project's."""
        found = self.connections.open("acme", "c1")
        assert (found is None) == (self.connections.store.get("acme", "c1") is None)
        if found is None:
            return None
        connection, key = found
        assert key == f"key of {connection.project_id}"
        return connection.project_id

    @property
    def key_texts(self) -> list[str]:
        return sorted(self.keys.kept.values())


TENANT: Item = {"pk": "TENANT#acme", "sk": "TENANT"}


def settings(project: str, connection_id: str = "c1", **fields: Any) -> ConnectionSettings:
    return ConnectionSettings(
        tenant_id="acme", connection_id=connection_id, project_id=project, **fields
    )


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield Scene()


def test_saving_replaces_connection_and_key(scene: Scene) -> None:
    scene.save("pizza-1")
    scene.save("pizza-2")

    assert scene.opened() == "pizza-2"
    assert scene.key_texts == ["key of pizza-2"]
    assert scene.connections.store.record("acme", "c1").old_keys == ()


def test_deleting_leaves_nothing(scene: Scene) -> None:
    scene.save("pizza-1")
    scene.delete()

    assert scene.opened() is None
    assert scene.keys.kept == {}
    assert [*scene.table.scan()] == [TENANT]
    with pytest.raises(NotFound):
        scene.delete()


def test_update_needs_a_connection(scene: Scene) -> None:
    with pytest.raises(NotFound):
        scene.save("pizza-1", must_exist=True)
    assert scene.keys.kept == {}

    scene.save("pizza-1")
    scene.save("pizza-2", must_exist=True)
    assert scene.opened() == "pizza-2"


def test_language_stays_unless_it_is_given(scene: Scene) -> None:
    def language(given: str | None) -> str:
        return scene.connections.save(settings("pizza-1", language=given), "key").language

    assert [language(each) for each in (None, "de-DE", None, "en-GB")] == [
        "en-US",
        "de-DE",
        "de-DE",
        "en-GB",
    ]


def fail() -> None:
    raise Unavailable("somewhere", "Down")


SAVED_BEFORE, UPDATE, DELETION = "pizza-1", "pizza-2", None


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("wanted", [UPDATE, DELETION])
def test_interrupted_change_has_no_effect_or_is_finished_by_its_repetition(
    scene: Scene, wanted: str | None, when: str
) -> None:
    def change() -> None:
        if wanted is None:
            scene.delete()
        else:
            scene.save(wanted)

    failures = 0
    for step in count():
        scene.steps.at = None
        scene.save(SAVED_BEFORE)
        scene.steps.taken, scene.steps.at = 0, step
        setattr(scene.steps, when, fail)
        try:
            change()
        except Unavailable:
            failures += 1
        if scene.steps.taken <= step:
            break
        # The pair is the old one or the new one; and the repetition makes it the new one.
        assert scene.opened() in {SAVED_BEFORE, wanted}
        if scene.opened() == SAVED_BEFORE or wanted is not None:
            change()
        elif scene.connections.store.records("acme"):
            scene.delete()
        assert scene.opened() == wanted
        # Only a key that was stored by an interrupted change may be left over, and is not named.
        named = [key for each in scene.connections.store.records("acme") for key in each.keys]
        assert len(named) == (wanted is not None)
        assert scene.key_texts.count(f"key of {SAVED_BEFORE}") == 0
        if wanted is None:
            scene.keys.kept.clear()
    assert step >= 3
    assert failures > 0


def other_saves(scene: Scene) -> Step:
    return lambda: scene.save("other-1")


def other_deletes(scene: Scene) -> Step:
    def delete() -> None:
        try:
            scene.delete()
        except NotFound:
            return

    return delete


@pytest.mark.parametrize("other", [other_saves, other_deletes])
@pytest.mark.parametrize("wanted", [UPDATE, DELETION])
@pytest.mark.parametrize("is_there", [True, False])
def test_two_writers_never_leave_a_connection_with_another_key_or_without(
    scene: Scene, other: Callable[[Scene], Step], wanted: str | None, *, is_there: bool
) -> None:
    for step in count():
        scene.steps.at = None
        if is_there:
            scene.save(SAVED_BEFORE)
        scene.steps.taken, scene.steps.at, scene.steps.before = 0, step, other(scene)
        try:
            if wanted is None:
                scene.delete()
            else:
                scene.save(wanted)
        except NotFound:
            assert wanted is None
        if scene.steps.taken <= step:
            break
        # Whoever wins, what is stored is whole, and no other key is left.
        assert scene.opened() in {wanted, "other-1", None}
        assert len(scene.keys.kept) == (scene.opened() is not None)
        for each in scene.connections.store.records("acme"):
            assert each.connection is not None
            assert not each.old_keys
        other_deletes(scene)()
        assert not scene.keys.kept


def test_connections_of_a_tenant_are_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_keys, "MOST_CONNECTIONS", 3)
    for number in range(3):
        scene.save("pizza-1", f"c{number}")

    with pytest.raises(TooManyConnections):
        scene.save("pizza-1", "one-more")
    # Those that are there can still be changed.
    scene.save("pizza-2", "c1")
    assert len(scene.keys.kept) == 3


def test_tenant_that_is_deleted_meanwhile_gets_no_connection_and_no_key(scene: Scene) -> None:
    scene.steps.at, scene.steps.before = 1, lambda: scene.table.delete(TENANT)

    with pytest.raises(Forbidden):
        scene.save("pizza-1")
    assert [*scene.table.scan()] == []
    assert scene.keys.kept == {}


def test_deleting_all_takes_every_connection_and_also_an_unfinished_deletion(scene: Scene) -> None:
    scene.save("pizza-1", "c2")
    scene.save("pizza-1", "c3")
    store = scene.connections.store
    kept = store.record("acme", "c3")
    store.write(ConnectionRecord("acme", "c3", kept.revision, None, kept.keys), "r")
    scene.table.delete(TENANT)

    assert scene.connections.delete_all("acme") == 1
    assert [*scene.table.scan()] == []
    assert scene.keys.kept == {}
    assert scene.connections.delete_all("acme") == 0


def test_connection_whose_key_somebody_has_deleted_does_not_open(scene: Scene) -> None:
    scene.save("pizza-1")
    scene.keys.kept.clear()

    assert scene.connections.open("acme", "c1") is None


def test_saving_succeeds_although_the_old_key_cannot_be_deleted_and_old_keys_never_pile_up(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.save("pizza-1")
    with monkeypatch.context() as outage:
        outage.setattr(scene.keys, "delete", lambda *_: fail())
        scene.save("pizza-2")
        assert scene.opened() == "pizza-2"
        with pytest.raises(Unavailable):
            scene.save("pizza-3")
    assert scene.key_texts == ["key of pizza-1", "key of pizza-2"]

    scene.save("pizza-3")
    assert scene.key_texts == ["key of pizza-3"]


def test_opening_goes_on_with_a_key_that_has_just_replaced_the_one_it_looked_for(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.save("pizza-1")
    read, changes = scene.keys.read, iter(["pizza-2", "pizza-3"])

    def change_and_read(*key: str) -> str | None:
        if (project := next(changes, None)) is not None:
            scene.save(project)
        return read(*key)

    monkeypatch.setattr(scene.keys, "read", change_and_read)

    assert scene.opened() == "pizza-3"


def test_update_finds_no_connection_that_is_deleted_meanwhile(scene: Scene) -> None:
    scene.save("pizza-1")
    scene.steps.taken, scene.steps.at, scene.steps.before = 0, 0, scene.delete

    with pytest.raises(NotFound):
        scene.save("pizza-2", must_exist=True)
    assert scene.keys.kept == {}


def test_saving_succeeds_although_the_tenant_is_deleted_at_once(scene: Scene) -> None:
    scene.save("pizza-1")
    scene.steps.taken, scene.steps.at = 0, 2
    scene.steps.before = lambda: scene.table.delete(TENANT)

    scene.save("pizza-2")
    assert scene.connections.delete_all("acme") == 1
    assert scene.keys.kept == {}
