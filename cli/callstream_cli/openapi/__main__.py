"""Writes docs/openapi: `make openapi`."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from callstream_cli.openapi import asapp, clerk, signalwire, telnyx, twilio
from callstream_cli.openapi.document import Document
from callstream_cli.openapi.generate import generate
from callstream_cli.openapi.markdown import render

DOCUMENTS: Final[Sequence[Document]] = (
    asapp.DOCUMENT,
    clerk.DOCUMENT,
    telnyx.DOCUMENT,
    signalwire.DOCUMENT,
    twilio.DOCUMENT,
)
FOLDER: Final = Path(__file__).parents[3] / "docs" / "openapi"


def files() -> Iterator[tuple[Path, str]]:
    """What has to be in docs/openapi."""
    for document in DOCUMENTS:
        openapi = generate(document)
        path = FOLDER / f"{document.surface.name}.json"
        yield path, json.dumps(openapi, indent=2, ensure_ascii=False) + "\n"
        yield path.with_suffix(".md"), render(openapi, path.name)


def main() -> None:
    """Write it."""
    for path, text in files():
        path.write_text(text)


if __name__ == "__main__":
    main()
