"""Recorded streams as raw files."""

import json
from pathlib import Path

import pytest

from callstream.audio.formats import AudioFormat
from callstream.dialects.events import Media
from callstream_cli.reading import raw
from callstream_cli.reading.errors import ConsumerError
from tests.unit.cli.reading.stories import (
    frames,
    start,
    story,
)


def test_raw_files_have_every_byte_and_a_list_of_frames(tmp_path: Path) -> None:
    format_ = AudioFormat(encoding="AMR-WB", sample_rate=16_000, channels=1)
    packets = [b"abc", b"d", b"efgh"]
    media = [
        Media(sequence=n + 2, track="outbound", chunk=n + 1, timestamp=n * 20, audio=packet)
        for n, packet in enumerate(packets)
    ]

    [file] = raw.write(tmp_path / "new", [story(start(format=format_), *media)])

    assert file.name == "s1.outbound.amr-wb"
    assert file.read_bytes() == b"abcdefgh"
    listed = [json.loads(line) for line in Path(f"{file}.jsonl").read_text().splitlines()]
    assert [(line["offset"], line["size"]) for line in listed] == [(0, 3), (3, 1), (4, 4)]
    assert listed[2] == {"sequence": 4, "chunk": 3, "timestamp": 40, "offset": 4, "size": 4}


@pytest.mark.parametrize("there", ["s2.inbound.pcmu", "s2.inbound.pcmu.jsonl"])
def test_raw_files_are_not_overwritten_unless_asked_for(tmp_path: Path, there: str) -> None:
    stories = [
        story(start(), *frames({"inbound": b"x" * 160}), stream=stream) for stream in ("s1", "s2")
    ]
    (tmp_path / there).write_text("mine")

    with pytest.raises(ConsumerError, match=rf"{there} exists already; --force overwrites it"):
        raw.write(tmp_path, stories)
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"
    assert len(raw.write(tmp_path, stories, overwrite=True)) == 2
    assert (tmp_path / there).read_text() != "mine"


@pytest.mark.parametrize(
    ("name", "file"), [("v3:a/../b", "v3_a____b"), ("", "_"), ("x" * 300, "x" * 100)]
)
def test_raw_file_names_never_lead_out_of_the_directory(name: str, file: str) -> None:
    assert raw.file_name(name) == file
