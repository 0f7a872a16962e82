"""A fingerprint of a deployment's sources: equal fingerprints mean equal stacks."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

_FILES = (
    "template.yaml",
    "samconfig.toml",
    "requirements/ministack.txt",
    "requirements/sam.txt",
    "cli/callstream_cli/operator/administration.py",
    "cli/callstream_cli/operator/signatures.py",
    "cli/callstream_cli/seed.py",
)
_FOLDERS = ("functions", "layers", "cli/callstream_cli/local")
_IGNORED_NAMES = frozenset({"__pycache__", ".DS_Store"})


def fingerprint(root: Path) -> str:
    """Hash the names and contents of all files that decide what the stack under ``root`` does."""
    digest = hashlib.sha256()
    for path in sorted(_sources(root)):
        content = path.read_bytes()
        # Lengths keep "ab" + "c" and "a" + "bc" apart.
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _sources(root: Path) -> Iterator[Path]:
    yield from (root / name for name in _FILES if (root / name).is_file())
    for folder in _FOLDERS:
        for path in (root / folder).rglob("*"):
            if path.is_file() and not _IGNORED_NAMES.intersection(path.relative_to(root).parts):
                yield path
