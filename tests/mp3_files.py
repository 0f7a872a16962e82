"""Makes MP3 files, with the encoder that the codecs' library brings."""

from av import AudioCodecContext, AudioFrame


def mp3(samples: bytes, rate: int, *, channels: int = 1, kbits: int | None = 32) -> bytes:
    """An MP3 file of 16-bit samples, the same in all channels; without `kbits` its rate varies."""
    layout = "mono" if channels == 1 else "stereo"
    encoder = AudioCodecContext.create("libmp3lame", "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, layout, "s16p"
    if kbits:
        encoder.bit_rate = kbits * 1000
    else:
        encoder.qscale, encoder.global_quality = True, 2 * 118
    encoder.open()
    size = 2 * encoder.frame_size
    file = b""
    for at in range(0, len(samples), size):
        frame = AudioFrame("s16p", layout, encoder.frame_size)
        frame.sample_rate = rate
        for plane in frame.planes:
            plane.update(samples[at : at + size].ljust(plane.buffer_size, b"\0"))
        file += b"".join(map(bytes, encoder.encode(frame)))
    return file + b"".join(map(bytes, encoder.encode(None)))


def id3(size: int, *, footer: bool = False) -> bytes:
    """An ID3v2 tag with so many bytes of cover art, which look like frames."""
    digits = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    art = (b"\xff\xfb\x90\x00" + bytes(413)) * (size // 417 + 1)
    tail = b"3DI" + bytes(7) if footer else b""
    return b"ID3\x04\x00" + (b"\x10" if footer else b"\x00") + digits + art[:size] + tail
