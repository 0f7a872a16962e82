"""Streams as raw files: every byte of audio as it came, whatever the codec.

Packets of OPUS or AMR-WB cannot be separated again once they stand one after another, so each track
has a list of its frames beside its bytes.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from callstream.dialects.events import Media
from callstream_cli import audio
from callstream_cli.reading.errors import ConsumerError
from callstream_cli.reading.recording import Story


def write(directory: Path, stories: Sequence[Story], *, overwrite: bool = False) -> list[Path]:
    """Write `<stream id>.<track>.<codec>` and `.jsonl` for each track; return the audio files.

    A line of the list is `{"sequence", "chunk", "timestamp" (ms), "offset", "size" (bytes)}`.

    Raises:
        ConsumerError: one of the files exists already; none is written.
        OSError: the files cannot be written.
    """
    files = _files(directory, stories)
    for path in (name for audio_file in files for name in (audio_file, _list_of(audio_file))):
        if path.exists() and not overwrite:
            raise ConsumerError(f"{path} exists already; --force overwrites it")
    directory.mkdir(parents=True, exist_ok=True)
    for path, frames in files.items():
        path.write_bytes(b"".join(frame.audio for frame in frames))
        _list_of(path).write_text(_listed(frames))
    return list(files)


def _files(directory: Path, stories: Sequence[Story]) -> dict[Path, Sequence[Media]]:
    """The frames of each audio file."""
    files: dict[Path, Sequence[Media]] = {}
    for story in stories:
        codec = story.start.format.encoding if story.start else "audio"
        for track in audio.TRACKS:
            frames = [
                event for event in story.events if isinstance(event, Media) and event.track == track
            ]
            if frames:
                name = f"{file_name(story.stream_id)}.{track}.{file_name(codec).lower()}"
                files[directory / name] = frames
    return files


def _list_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.jsonl")


def _listed(frames: Sequence[Media]) -> str:
    lines: list[str] = []
    offset = 0
    for frame in frames:
        line = {
            "sequence": frame.sequence,
            "chunk": frame.chunk,
            "timestamp": frame.timestamp,
            "offset": offset,
            "size": len(frame.audio),
        }
        lines.append(json.dumps(line) + "\n")
        offset += len(frame.audio)
    return "".join(lines)


def file_name(name: str) -> str:
    """A carrier's id or name as part of a file name."""
    safe = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)
    return safe[:100] or "_"
