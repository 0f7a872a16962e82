"""The frames of MP3 files in messages."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstream.audio.mp3_frames import Mp3Frames, NotMp3, mp3_header
from tests.mp3_files import id3

# The header, the rate, and the bytes of a frame: MPEG 1 at 128 kbit/s, 2 at 32, 2.5 at 8.
HEADERS = [
    (b"\xff\xfb\x90\x00", 44_100, 417),
    (b"\xff\xfb\x92\x00", 44_100, 418),
    (b"\xff\xfb\x94\x00", 48_000, 384),
    (b"\xff\xfa\x98\x00", 32_000, 576),
    (b"\xff\xf3\x48\xc0", 16_000, 144),
    (b"\xff\xe3\x18\xc0", 8000, 72),
]
NO_HEADERS = {
    "sync": b"\xfe\xfb\x90\x00",
    "version": b"\xff\xeb\x90\x00",
    "layer II": b"\xff\xfd\x90\x00",
    "free bit rate": b"\xff\xfb\x00\x00",
    "bad bit rate": b"\xff\xfb\xf0\x00",
    "reserved rate": b"\xff\xfb\x9c\x00",
    "short": b"\xff\xfb\x90",
}


@pytest.mark.parametrize(("header", "rate", "size"), HEADERS)
def test_header_gives_rate_and_size(header: bytes, rate: int, size: int) -> None:
    assert mp3_header(b"." + header, 1) == (rate, size)


@pytest.mark.parametrize("fault", NO_HEADERS)
def test_other_bytes_are_no_header(fault: str) -> None:
    assert mp3_header(NO_HEADERS[fault]) is None


def frame(number: int) -> bytes:
    """A frame of 144 bytes."""
    return b"\xff\xf3\x48\xc0" + bytes([number]) * 140


def taken(messages: Iterable[bytes]) -> list[int]:
    """The numbers of the frames."""
    frames = Mp3Frames()
    numbers = []
    for message in messages:
        frames.feed(message)
        numbers += [each.data[4] for each in iter(frames.take, None)]
        assert frames.waiting < 1441 + len(message)
    return numbers


FILE = b"".join(map(frame, range(1, 9)))


@given(st.lists(st.integers(1, len(FILE) - 1), unique=True))
def test_frames_are_found_wherever_a_file_is_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(FILE)]

    pieces = [FILE[begin:end] for begin, end in pairwise(places)]
    assert taken(pieces) == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    "messages",
    [
        [id3(2000) + FILE],
        [id3(20, footer=True) + id3(2000), FILE],
        [id3(2000)[:3], id3(2000)[3:9], id3(2000)[9:1500], id3(2000)[1500:] + FILE],
        [FILE[:576] + b"TAG" + bytes(125) + FILE[576:]],
        [FILE[:576], b"TAG" + bytes(60), bytes(65), FILE[576:]],
        [bytes(900) + FILE],
    ],
)
def test_tags_and_padding_are_passed_over(messages: list[bytes]) -> None:
    assert taken(messages) == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("tag", [b"", id3(1000)])
def test_a_file_that_was_cut_off_does_not_spoil_the_next(tag: bytes) -> None:
    assert taken([FILE[:200], tag + FILE]) == [1, 1, 2, 3, 4, 5, 6, 7, 8]
    assert taken([id3(5000)[:200], tag + FILE]) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_frames_go_on_after_damage() -> None:
    assert taken([FILE[:288] + b"junk" * 50 + FILE[288:]]) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_header_alone_is_no_frame_amid_junk() -> None:
    # A false header, whose frame does not end where another begins.
    assert taken([FILE + b"junk\xff\xf3\x48\xc0" + b"junk" * 50 + FILE]) == [*range(1, 9)] * 2


def test_junk_without_a_frame_is_refused_when_its_message_ends_or_after_4_kb() -> None:
    frames = Mp3Frames()
    frames.feed(b"junk" * 5)
    frames.feed(FILE + b"junk" * 5000 + FILE)

    with pytest.raises(NotMp3):
        frames.take()
    assert [frames.take() is not None for _ in range(8)] == [True] * 8
    with pytest.raises(NotMp3):
        frames.take()
    assert frames.take() is None
    assert frames.waiting == 0


@given(st.lists(st.binary(max_size=3000), max_size=10))
def test_any_bytes_are_read_or_refused(messages: list[bytes]) -> None:
    frames = Mp3Frames()
    for message in messages:
        frames.feed(message)
    for _ in range(sum(map(len, messages)) + len(messages) + 1):
        try:
            if frames.take() is None:
                break
        except NotMp3:
            pass

    assert frames.take() is None


def test_a_message_of_tags_alone_is_refused_after_4_kb() -> None:
    frames = Mp3Frames()
    frames.feed(id3(0) * 1000)

    with pytest.raises(NotMp3):
        frames.take()
    assert frames.waiting == 0
