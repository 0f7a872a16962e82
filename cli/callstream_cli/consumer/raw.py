"""Streams as raw files: every byte of audio as it came, whatever the codec. Pure but for writing.

Packets of OPUS or AMR-WB cannot be told apart once they stand one after another, so beside the
bytes of each track is a list of its frames.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from callstream.dialects.events import Media
from callstream_cli import audio
from callstream_cli.consumer.recording import Story


def write(directory: Path, stories: Sequence[Story]) -> list[Path]:
    """Write `<stream id>.<track>.<codec>` and `.jsonl` for each track; the audio files.

    A line of the list: `{"sequence", "chunk", "timestamp" (ms), "offset", "size" (bytes)}`.

    Raises:
        OSError: the files cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for story in stories:
        codec = story.start.format.encoding if story.start else "audio"
        for track in audio.TRACKS:
            frames = [
                event for event in story.events if isinstance(event, Media) and event.track == track
            ]
            if not frames:
                continue
            path = directory / f"{file_name(story.stream_id)}.{track}.{file_name(codec).lower()}"
            path.write_bytes(b"".join(frame.audio for frame in frames))
            path.with_name(f"{path.name}.jsonl").write_text(_listed(frames))
            written.append(path)
    return written


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
    """A carrier's name for something, as a file's name."""
    safe = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)
    return safe[:100] or "_"
