"""Writes forks to files."""

from itertools import count
from pathlib import Path

from callstream.audio.formats import ByteOrder
from callstream_cli.listener.fork_state import ForkState
from callstream_cli.reading import raw
from callstream_cli.reading.errors import ConsumerError
from callstream_cli.reading.stereo import combine


def store(directory: Path, state: ForkState, byte_order: ByteOrder) -> list[Path]:
    """Write a fork as a stereo WAV file, or its tracks as raw files if they cannot be decoded.

    Nothing is overwritten. A fork without audio makes no file. Frames that cannot be decoded are
    counted in the state.

    Raises:
        OSError: a file cannot be written.
        TooLongError: the audio is too long for a WAV file.
    """
    story = state.story()
    if not story.frames():
        return []
    directory.mkdir(parents=True, exist_ok=True)
    start = state.start
    name = f"{state.dialect}-{raw.file_name(start.carrier_stream_id) if start else 'unknown'}"
    try:
        stereo = combine([story], byte_order=byte_order)
    except ConsumerError:
        return raw.write(_unused(directory, name, ""), [story])
    [placed] = stereo.streams
    state.undecodable = sum(track.undecodable for track in placed.tracks.values())
    path = _unused(directory, name, ".wav")
    path.write_bytes(stereo.wav())
    return [path]


def _unused(directory: Path, name: str, suffix: str) -> Path:
    """A path that does not exist yet."""
    paths = (
        directory / f"{name}{f'-{number}' if number > 1 else ''}{suffix}" for number in count(1)
    )
    return next(path for path in paths if not path.exists())
