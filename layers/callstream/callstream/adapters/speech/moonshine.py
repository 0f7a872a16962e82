"""The libraries of moonshine-voice 0.1.0, called through their C interface.

The package's own Python is not imported: its requirements are not in the layer, and it copies all
audio at every step. Two handles are used, because one alone decodes what is said again and again
while it is being said: a detector, which finds where somebody speaks, and a decoder for segments
that are over. Declarations: moonshine-c-api.h of the package's repository.
"""

import ctypes
import os
import platform
import sys
from array import array
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

_HEADER_VERSION: Final = 30_000
_TINY: Final = 0
_FORCE_UPDATE: Final = 1
LONGEST_SEGMENT_S: Final = 15.0
"""Where a segment is cut off: for each second of a longer segment, decoding takes longer."""

type Samples = array[float]
"""Samples from -1 to 1, as 32-bit floats."""


class LibraryError(Exception):
    """The library cannot be loaded, or answers with an error."""


class Segment(NamedTuple):
    """A part of the audio in which somebody speaks, in seconds since `Detector.start`."""

    start: float
    end: float
    is_over: bool


class _Line(ctypes.Structure):
    _fields_ = (
        ("text", ctypes.c_char_p),
        ("audio_data", ctypes.c_void_p),
        ("audio_data_count", ctypes.c_size_t),
        ("start_time", ctypes.c_float),
        ("duration", ctypes.c_float),
        ("id", ctypes.c_uint64),
        ("is_complete", ctypes.c_int8),
        ("is_updated", ctypes.c_int8),
        ("is_new", ctypes.c_int8),
        ("has_text_changed", ctypes.c_int8),
        ("have_speakers_changed", ctypes.c_int8),
        ("speaker_spans", ctypes.c_void_p),
        ("speaker_span_count", ctypes.c_uint64),
        ("last_transcription_latency_ms", ctypes.c_uint32),
        ("words", ctypes.c_void_p),
        ("word_count", ctypes.c_uint64),
    )


class _Transcript(ctypes.Structure):
    _fields_ = (("lines", ctypes.POINTER(_Line)), ("line_count", ctypes.c_uint64))


class _Option(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("value", ctypes.c_char_p))


_LINE_BYTES: Final = 88
_HANDLE: Final = ctypes.c_int32
_AUDIO: Final = (ctypes.POINTER(ctypes.c_float), ctypes.c_uint64, ctypes.c_int32)
_RESULT: Final = ctypes.POINTER(ctypes.POINTER(_Transcript))
_OPTIONS: Final = (ctypes.POINTER(_Option), ctypes.c_uint64)
_ARGUMENTS: Final = {
    "load_transcriber_from_files": (ctypes.c_char_p, ctypes.c_uint32, *_OPTIONS, ctypes.c_int32),
    "create_stream": (_HANDLE, ctypes.c_uint32),
    "start_stream": (_HANDLE, _HANDLE),
    "stop_stream": (_HANDLE, _HANDLE),
    "transcribe_add_audio_to_stream": (_HANDLE, _HANDLE, *_AUDIO, ctypes.c_uint32),
    "transcribe_stream": (_HANDLE, _HANDLE, ctypes.c_uint32, _RESULT),
    "transcribe_without_streaming": (_HANDLE, *_AUDIO, ctypes.c_uint32, _RESULT),
}


def is_supported() -> bool:
    """Whether this machine can run the library.

    There is a package for ARM too, but its ONNX Runtime aborts on Lambda's ARM processors.
    """
    return sys.platform == "linux" and platform.machine() == "x86_64"


def find() -> Path | None:
    """The folder of the library and its model; None if they are not installed."""
    spec = find_spec("moonshine_voice")
    for location in (spec and spec.submodule_search_locations) or ():
        if (Path(location) / "libmoonshine.so").exists():
            return Path(location)
    return None


class Library:
    """The loaded library. One process may have one detector: all share the state of the network.

    Args:
        folder: as `find` gives it. The folder with the suffix `.libs` must be beside it.

    Raises:
        LibraryError: the library cannot be loaded, or is another version.
    """

    def __init__(self, folder: Path) -> None:
        if ctypes.sizeof(_Line) != _LINE_BYTES:
            raise LibraryError("lines have another size")
        # Several threads take three times the CPU for the same text.
        os.environ["MOONSHINE_ORT_SINGLE_THREAD"] = "1"
        self._model = os.fsencode(folder / "assets" / "tiny-en")
        try:
            self._library = ctypes.CDLL(str(folder / "libmoonshine.so"))
            for name, types in _ARGUMENTS.items():
                function = getattr(self._library, f"moonshine_{name}")
                function.argtypes, function.restype = types, ctypes.c_int32
            version = self._library.moonshine_get_version()
        except (OSError, AttributeError) as error:
            raise LibraryError("the library cannot be loaded") from error
        if version != _HEADER_VERSION:
            raise LibraryError(f"the library has version {version}")

    def call(self, name: str, *arguments: object) -> int:
        """Call a function of the library.

        Raises:
            LibraryError: the function answers with an error.
        """
        result: int = getattr(self._library, f"moonshine_{name}")(*arguments)
        if result < 0:
            raise LibraryError(f"{name} answers {result}")
        return result

    def load(self, **options: str) -> int:
        """Load a handle with ``options``.

        Raises:
            LibraryError: it cannot be loaded.
        """
        pairs = [_Option(name.encode(), value.encode()) for name, value in options.items()]
        return self.call(
            "load_transcriber_from_files",
            self._model,
            _TINY,
            (_Option * len(pairs))(*pairs),
            len(pairs),
            _HEADER_VERSION,
        )

    def lines(self, name: str, *arguments: object) -> Iterator[_Line]:
        """Call a function that gives lines.

        Raises:
            LibraryError: the function answers with an error.
        """
        result = ctypes.POINTER(_Transcript)()
        self.call(name, *arguments, ctypes.byref(result))
        transcript = result.contents
        for index in range(transcript.line_count):
            yield transcript.lines[index]


class Detector:
    """Finds where somebody speaks. It loads no model."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._handle = library.load(
            skip_transcription="true",
            # Seconds between two looks. The default loses up to half a second at the end.
            transcription_interval="0.1",
            # The library cuts at two thirds of this.
            vad_max_segment_duration=str(LONGEST_SEGMENT_S * 1.5),
            # Otherwise every line keeps its audio.
            return_audio_data="false",
        )
        self._stream = library.call("create_stream", self._handle, 0)
        self._given = 0

    def start(self) -> None:
        """Begin at time 0, with nothing before."""
        self._library.call("start_stream", self._handle, self._stream)
        self._given = 0

    def add(self, samples: Samples, rate: int) -> None:
        """Add audio."""
        self._library.call(
            "transcribe_add_audio_to_stream",
            *(self._handle, self._stream, *_pointer(samples), rate, 0),
        )

    def segments(self) -> list[Segment]:
        """The segments that are over since the last look, and then the open segment, if any."""
        return self._look(flags=0)

    def stop(self) -> list[Segment]:
        """End the audio, and with it an open segment; give the segments that were not given."""
        # Without force, audio younger than the interval is dropped.
        segments = [each for each in self._look(_FORCE_UPDATE) if each.is_over]
        self._library.call("stop_stream", self._handle, self._stream)
        return segments + self._look(flags=0)

    def _look(self, flags: int) -> list[Segment]:
        lines = self._library.lines("transcribe_stream", self._handle, self._stream, flags)
        segments = [
            Segment(line.start_time, line.start_time + line.duration, bool(line.is_complete))
            for line in lines
        ][self._given :]
        self._given += sum(segment.is_over for segment in segments)
        return segments


class Decoder:
    """Writes down what is said in a segment."""

    def __init__(self, library: Library) -> None:
        self._library = library
        # No threshold: the segment is decoded as it is, not divided again.
        self._handle = library.load(
            vad_threshold="0", vad_max_segment_duration="60", return_audio_data="false"
        )

    def text(self, samples: Samples, rate: int) -> str:
        """Decode a segment."""
        audio = (*_pointer(samples), rate, 0)
        lines = self._library.lines("transcribe_without_streaming", self._handle, *audio)
        texts = ((line.text or b"").decode(errors="replace") for line in lines)
        return " ".join(" ".join(texts).split())


def _pointer(samples: Samples) -> tuple[object, int]:
    buffer = (ctypes.c_float * len(samples)).from_buffer(samples)
    return ctypes.cast(buffer, _AUDIO[0]), len(samples)
