"""The fingerprint of a deployment's sources."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from callstream_cli.local import (
    sources,
)

SOURCES = {
    "template.yaml": "Resources: {}",
    "samconfig.toml": "version = 0.1",
    "functions/media/app.py": "a = 1",
    "layers/callstream/callstream/__init__.py": "",
    "cli/callstream_cli/local/completion.py": "",
}


def write_files(root: Path, files: Mapping[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


class TestFingerprint:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        write_files(tmp_path, SOURCES)
        return tmp_path

    def test_fingerprint_is_stable(self, root: Path) -> None:
        assert sources.fingerprint(root) == sources.fingerprint(root)

    @pytest.mark.parametrize("name", SOURCES)
    def test_fingerprint_changes_with_a_file(self, root: Path, name: str) -> None:
        before = sources.fingerprint(root)
        (root / name).write_text("changed")
        assert sources.fingerprint(root) != before

    def test_fingerprint_changes_with_a_new_and_a_renamed_file(self, root: Path) -> None:
        before = sources.fingerprint(root)
        write_files(root, {"functions/stop/app.py": "b = 2"})
        added = sources.fingerprint(root)
        (root / "functions/stop").rename(root / "functions/halt")
        assert len({before, added, sources.fingerprint(root)}) == 3

    @pytest.mark.parametrize(
        "name",
        [
            "functions/media/__pycache__/app.cpython-313.pyc",
            "README.md",
            "tests/unit/test_media.py",
        ],
    )
    def test_fingerprint_ignores_files_that_are_not_deployed(self, root: Path, name: str) -> None:
        before = sources.fingerprint(root)
        write_files(root, {name: "anything"})
        assert sources.fingerprint(root) == before

    def test_fingerprint_distinguishes_names_from_contents(self, tmp_path: Path) -> None:
        one, other = tmp_path / "one", tmp_path / "other"
        write_files(one, {"functions/a": "b", "functions/c": ""})
        write_files(other, {"functions/a": "", "functions/c": "b"})
        assert sources.fingerprint(one) != sources.fingerprint(other)
