"""What the local stack keeps over `down` and `up`: its port, tenants, credentials and secrets."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from callstream_cli.local.errors import KeptStateError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import WriteRequestTypeDef

_STATE: Final = "state.json"
_READY: Final = "ready"
_DEMO: Final = "demo.json"
# The outputs that hold the ARNs of secrets which the template makes.
_SECRETS: Final = ("SigningKeysSecretArn", "CredentialPepperSecretArn", "CallbackMasterSecretArn")
# The outputs that hold the prefixes of the names of tenants' secrets.
_PREFIXES: Final = ("TwilioSecretsPrefix", "DialogflowSecretsPrefix")
_BATCH: Final = 25

type DemoCredentials = Mapping[str, Mapping[str, Any]]
"""By surface: `credential_id`, and `shown`, the secrets that were shown once."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The kept state of one state directory, for its owner alone."""

    folder: Path

    @property
    def state(self) -> Path:
        """The file that the emulator writes (`callstream_cli.local.emulator_keeping`)."""
        return self.folder / _STATE

    @property
    def ready(self) -> Path:
        """The file that tells the emulator to write."""
        return self.folder / _READY

    def begin(self, *, fresh: bool) -> None:
        """Prepare the start of an emulator: it must not write before it has the kept state."""
        if fresh:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.ready.unlink(missing_ok=True)

    def restore(self, outputs: Mapping[str, str]) -> DemoCredentials:
        """Put the kept state into a new deployment.

        Args:
            outputs: the outputs of the deployment's stack.

        Returns:
            The demo tenant's credentials; empty if nothing was kept.

        Raises:
            KeptStateError: the state cannot be read.
        """
        try:
            state = json.loads(self.state.read_text())
            items, secrets = state["items"], state["secrets"]
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError) as error:
            raise KeptStateError(self.state, str(error)) from None
        _restore_secrets(outputs, secrets)
        _restore_items(outputs["DirectoryTableName"], items)
        return cast("DemoCredentials", self._demo().get("credentials", {}))

    def complete(self, port: int, credentials: DemoCredentials) -> None:
        """Note what only this process knows, and let the emulator write from now on."""
        path = self.folder / _DEMO
        path.touch(mode=0o600)
        path.write_text(json.dumps({"port": port, "credentials": credentials}))
        self.ready.touch()

    def port(self) -> int | None:
        """The port of the last stack, if it is known."""
        port = self._demo().get("port")
        return port if isinstance(port, int) else None

    def _demo(self) -> dict[str, Any]:
        try:
            return cast("dict[str, Any]", json.loads((self.folder / _DEMO).read_text()))
        except (FileNotFoundError, ValueError):
            return {}


def _restore_secrets(outputs: Mapping[str, str], kept: Mapping[str, str]) -> None:
    import boto3  # noqa: PLC0415 - slow

    client = boto3.client("secretsmanager")
    for output in _SECRETS:
        name = client.describe_secret(SecretId=outputs[output])["Name"]
        if name in kept:
            client.put_secret_value(SecretId=outputs[output], SecretString=kept[name])
    prefixes = tuple(outputs[each] for each in _PREFIXES)
    for name, value in kept.items():
        if name.startswith(prefixes):
            client.create_secret(Name=name, SecretString=value)


def _restore_items(table: str, items: list[Any]) -> None:
    import boto3  # noqa: PLC0415 - slow

    client = boto3.client("dynamodb")
    for batch in batched(items, _BATCH, strict=False):
        requests: list[WriteRequestTypeDef] = [{"PutRequest": {"Item": item}} for item in batch]
        client.batch_write_item(RequestItems={table: requests})
