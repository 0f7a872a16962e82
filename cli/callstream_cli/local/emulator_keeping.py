"""What outlives the emulator: URLs, tenants with their credentials, and secrets.

ministack saves its state only when it ends by itself, which open WebSockets prevent, and then all
of it: calls, records and functions too. Therefore what people configure is saved here, as soon as
it changes, and `callstream up` puts it into the next emulator.

ministack gives each API a random id, and so new URLs at each start. Therefore ids follow from the
stack and the logical id.
"""

import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

_SECONDS: Final = 0.5
_STACK: Final = "aws:cloudformation:stack-name"
_LOGICAL_ID: Final = "aws:cloudformation:logical-id"
_DIRECTORY: Final = "-DirectoryTable-"


class Keeper:
    """Writes the tenants' directory and the secrets into a file whenever they change.

    Args:
        path: the file, for its owner alone.
        ready: a file that exists once the emulator has what is to be kept.
        snapshot: the present state; JSON can hold it.
    """

    def __init__(self, path: Path, ready: Path, snapshot: Callable[[], dict[str, Any]]) -> None:
        self._path = path
        self._ready = ready
        self._snapshot = snapshot
        self._written = ""

    def start(self) -> None:
        """Look for changes from now on, until the process ends."""
        threading.Thread(target=self._run, name="keeper", daemon=True).start()

    def save(self) -> None:
        """Write the state, if there is any and it has changed."""
        if not self._ready.exists():
            return
        text = json.dumps(self._snapshot())
        if text != self._written:
            unfinished = self._path.with_suffix(".tmp")
            unfinished.touch(mode=0o600)
            unfinished.write_text(text)
            unfinished.replace(self._path)
            self._written = text

    def _run(self) -> None:
        told = False
        while True:
            time.sleep(_SECONDS)
            try:
                self.save()
            except RuntimeError:
                continue  # the state has changed while it was read
            except (OSError, TypeError, ValueError, KeyError) as error:
                if not told:
                    print(f"tenants and secrets are not kept: {error!r}", file=sys.stderr)  # noqa: T201 - the emulator's log
                told = True


def snapshot(dynamodb: Any, secrets: Any) -> dict[str, Any]:  # noqa: ANN401 - ministack is not installed for type checks
    """The items of the tenants' directory, in DynamoDB's JSON, and the secrets by name."""
    return {
        "items": [
            item
            for (*_, name), table in dynamodb._tables.all_items()  # noqa: SLF001
            if _DIRECTORY in name
            for partition in table["items"].values()
            for item in partition.values()
        ],
        "secrets": {
            name: version["SecretString"]
            for (*_, name), secret in secrets._secrets.all_items()  # noqa: SLF001
            if not secret.get("DeletedDate")
            for version in secret["Versions"].values()
            if "AWSCURRENT" in version["Stages"] and version.get("SecretString") is not None
        },
    }


def require_stores(dynamodb: Any, secrets: Any) -> None:  # noqa: ANN401 - as above
    """Check that `snapshot` fits.

    Raises:
        RuntimeError: this version of ministack keeps tables or secrets elsewhere.
    """
    stores = (getattr(dynamodb, "_tables", None), getattr(secrets, "_secrets", None))
    if not all(hasattr(store, "all_items") for store in stores):
        raise RuntimeError(
            "ministack's DynamoDB._tables or SecretsManager._secrets is gone. The pin in "
            "requirements/ministack.in has moved: see where tables and secrets are now."
        )


def keep_api_ids(rest: Any, websocket: Any) -> None:  # noqa: ANN401 - as above
    """Give APIs that CloudFormation creates ids that follow from their logical ids.

    Args:
        rest: ministack's API Gateway for REST.
        websocket: ministack's API Gateway for WebSockets.

    Raises:
        RuntimeError: the patch does not fit this version of ministack.
    """
    of_rest = getattr(rest, "_resolve_custom_rest_api_id", None)
    of_websocket = getattr(websocket, "_resolve_custom_api_id", None)
    is_taken = getattr(rest, "find_api_scope", None)
    if of_rest is None or of_websocket is None or is_taken is None:
        raise RuntimeError(
            "ministack's API Gateway does not resolve custom ids any more. The pin in "
            "requirements/ministack.in has moved: see how an API gets its id now."
        )

    def rest_id(tags: Any) -> Any:  # noqa: ANN401 - as above
        id_, error = of_rest(tags)
        return (_id_of(tags, is_taken) if id_ is None and error is None else id_), error

    def websocket_id(tags: Any, existing: Any) -> Any:  # noqa: ANN401 - as above
        return of_websocket(tags, existing) or _id_of(tags, is_taken)

    rest._resolve_custom_rest_api_id = rest_id  # noqa: SLF001
    websocket._resolve_custom_api_id = websocket_id  # noqa: SLF001


def _id_of(tags: Any, is_taken: Callable[[str], object]) -> str | None:  # noqa: ANN401 - as above
    if not isinstance(tags, dict) or _LOGICAL_ID not in tags:
        return None
    text = f"{tags.get(_STACK)}/{tags[_LOGICAL_ID]}"
    id_ = hashlib.sha256(text.encode()).hexdigest()[:8]
    return None if is_taken(id_) is not None else id_
