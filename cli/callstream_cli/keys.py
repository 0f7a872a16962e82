"""``callstream keys``: the keys that sign media URLs."""

import typer

from callstream.adapters import clock
from callstream.adapters.secrets import rotate_signing_keys
from callstream_cli.deployment import Stack, outputs_of


def rotate(stack: Stack = None) -> None:
    """Sign new media URLs with a new key. Old URLs stay valid until they expire."""
    with outputs_of(stack) as outputs:
        ring = rotate_signing_keys(outputs["SigningKeysSecretArn"], clock.now())
    for kid in ring.kids[:-1]:
        typer.echo(f"verifies                {kid}")
    typer.echo(f"signs from a minute on  {ring.kids[-1]}")
