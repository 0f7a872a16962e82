"""Connections together with their keys, which are in a secret store.

A connection and its key change in two places, and never fall apart: each key that is stored has a
version of its own and is never changed, and the connection names the version. The key is stored
first and deleted last, and the connection lists the versions that are still to be deleted, so a
change that is interrupted has either no effect, or is finished by its repetition. What is left
over if a function dies between storing a key and its connection is a key that nobody reads, which
goes with its tenant.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from msgspec.structs import replace

from callstream.dialogues.connections import (
    MOST_CONNECTIONS,
    AgentConnection,
    ConnectionRecord,
    ConnectionSettings,
    ConnectionStore,
)
from callstream.errors import ApiError, CallstreamError, ConditionFailed, NotFound, Unavailable
from callstream.table_requests import optimistically

_logger = logging.getLogger(__name__)

_TRIES: Final = 5


class TooManyConnections(CallstreamError):
    """The tenant has `MOST_CONNECTIONS` connections already."""


class AgentKeys(Protocol):
    """The secret store of keys. Every method may raise `Unavailable`."""

    def store(self, tenant_id: str, connection_id: str, version: str, key: str) -> None:
        """Store a key under a version that is new."""

    def read(self, tenant_id: str, connection_id: str, version: str) -> str | None:
        """A key; None if there is no such key."""

    def delete(self, tenant_id: str, connection_id: str, version: str) -> None:
        """Delete a key for good, if it is there."""


@dataclass(frozen=True, slots=True)
class KeyedConnections:
    """Stores, opens and deletes connections with their keys.

    Every method may raise `Unavailable`: repeat it then.

    Args:
        store: the connections.
        keys: their keys.
        new_id: makes versions and revisions.
    """

    store: ConnectionStore
    keys: AgentKeys
    new_id: Callable[[], str]

    def open(self, tenant_id: str, connection_id: str) -> tuple[AgentConnection, str] | None:
        """A connection and its key; None if there is no such connection, or its key is gone."""
        # A connection that has just got another key has lost the one that was read.
        for _ in range(_TRIES):
            connection = self.store.get(tenant_id, connection_id)
            if connection is None:
                return None
            key = self.keys.read(tenant_id, connection_id, connection.key_version)
            if key is not None:
                return connection, key
        return None

    def save(
        self, settings: ConnectionSettings, key: str, *, must_exist: bool = False
    ) -> AgentConnection:
        """Store a connection, in place of an earlier one of its id.

        Raises:
            NotFound: `must_exist`, and there is no earlier one.
            TooManyConnections: this would be one too many.
            Forbidden: the tenant does not exist any more.
        """
        tenant_id, connection_id = settings.tenant_id, settings.connection_id
        before = self.store.record(tenant_id, connection_id)
        if before.old_keys:
            self._tidy(before)
        if before.connection is None:
            if must_exist:
                raise NotFound("no such connection")
            if len(self.store.all(tenant_id)) >= MOST_CONNECTIONS:
                raise TooManyConnections
        version = self.new_id()
        self.keys.store(tenant_id, connection_id, version, key)
        try:
            record = optimistically(
                lambda: self._replace(settings, version, must_exist=must_exist), _TRIES
            )
        except ApiError:
            self.keys.delete(tenant_id, connection_id, version)
            raise
        except Unavailable:
            # The connection may be stored, so the key must stay.
            _logger.warning("a key may be left over", extra={"tenant_id": tenant_id})
            raise
        try:
            self._tidy(record)
        except Unavailable as error:
            _logger.warning("an old key is still there: %s", error, extra={"tenant_id": tenant_id})
        return _connection_of(record)

    def _replace(
        self, settings: ConnectionSettings, version: str, *, must_exist: bool
    ) -> ConnectionRecord:
        before = self.store.record(settings.tenant_id, settings.connection_id)
        if must_exist and before.connection is None:
            raise NotFound("no such connection")
        fields = settings.model_dump(exclude_none=True) | {"key_version": version}
        if before.connection is not None:
            fields = {"language": before.connection.language} | fields
        connection = AgentConnection.model_validate(fields)
        after = replace(before, connection=connection, old_keys=before.keys)
        return self.store.write(after, self.new_id())

    def delete(self, tenant_id: str, connection_id: str) -> None:
        """Delete a connection, then its key.

        Raises:
            NotFound: there is no such connection.
        """

        def without_connection() -> ConnectionRecord:
            before = self.store.record(tenant_id, connection_id)
            if before.revision is None:
                raise NotFound("no such connection")
            after = replace(before, connection=None, old_keys=before.keys)
            return self.store.write(after, self.new_id())

        self._tidy(optimistically(without_connection, _TRIES))

    def delete_all(self, tenant_id: str) -> int:
        """Delete all of a tenant's connections; return how many there were."""
        records = self.store.records(tenant_id)
        for record in records:
            try:
                self.delete(tenant_id, record.connection_id)
            except NotFound:
                continue
        return sum(record.connection is not None for record in records)

    def _tidy(self, record: ConnectionRecord) -> None:
        """Delete the keys that are not used any more."""
        for version in record.old_keys:
            self.keys.delete(record.tenant_id, record.connection_id, version)
        if record.old_keys:
            try:
                self.store.write(replace(record, old_keys=()), self.new_id())
            except (ConditionFailed, ApiError):
                # Who has changed the connection meanwhile has the versions, and tidies up too.
                return


def _connection_of(record: ConnectionRecord) -> AgentConnection:
    if record.connection is None:
        raise AssertionError("a connection was stored")
    return record.connection
