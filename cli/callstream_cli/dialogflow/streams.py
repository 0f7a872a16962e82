"""One streaming request: its rules, its audio and what is recognised in it."""

import queue
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event, Thread
from typing import Any, Final

from google.cloud import dialogflow_v2 as dialogflow

from callstream_cli.dialogflow.agent import Input
from callstream_cli.dialogflow.faults import CallFaults
from callstream_cli.dialogflow.hearing import Ear, Guess, Sentence, Sound, SpeechBegan
from callstream_cli.dialogflow.refused import Gone, invalid, out_of_range
from callstream_cli.dialogflow.sound import AudioIntake

_RESULT: Final = dialogflow.StreamingRecognitionResult
_KIND: Final = _RESULT.MessageType
# The service's own limit, seen in its errors.
_LONGEST_WALL_S: Final = 65.0
_MOST_WAITING: Final = 10_000
# gRPC shows a client that gives up as one that half-closes, until it knows better.
_DOUBT_S: Final = 0.03
_HALF_CLOSED: Final = object()
_GONE: Final = object()


@dataclass(frozen=True, slots=True)
class Piece:
    """What a message after the first brings; one of them."""

    audio: bytes | None = None
    text: str | None = None
    digits: str | None = None


class Messages:
    """The client's messages as they come, read by a thread of its own.

    Args:
        incoming: gRPC's iterator.
        patience_s: how long a client may send nothing.
        note: takes each message, and None at the half-close, before `next` gives it.
    """

    def __init__(
        self, incoming: Iterator[Any], patience_s: float, note: Callable[[Any | None], None]
    ) -> None:
        self._incoming = incoming
        self._note = note
        self._patience_s = patience_s
        self._queue: queue.Queue[object] = queue.Queue(_MOST_WAITING)
        self._ends_at = time.monotonic() + _LONGEST_WALL_S
        self._is_gone = Event()
        Thread(target=self._read, daemon=True).start()

    def first(self) -> Any:  # noqa: ANN401 - either service's requests
        """Wait for the first message.

        Raises:
            Refused: there is none in time.
            Gone: the client has given up.
        """
        message = self.next()
        if message is None:
            raise invalid("the stream has no message")
        return message

    def next(self) -> Any | None:  # noqa: ANN401 - either service's requests
        """Wait for the next message; None after the last, when the client half-closes.

        Raises:
            Refused: the client sends nothing for too long.
            Gone: the client has given up.
        """
        left = self._ends_at - time.monotonic()
        try:
            message = self._queue.get(timeout=max(0.0, min(self._patience_s, left)))
        except queue.Empty:
            if left <= self._patience_s:
                raise out_of_range(
                    f"the stream has lasted for more than {_LONGEST_WALL_S:.0f} seconds"
                ) from None
            raise out_of_range("no audio for a long time: send it in real time") from None
        if message is _GONE:
            raise Gone
        message = None if message is _HALF_CLOSED else message
        self._note(message)
        return message

    def give_up(self) -> None:
        """Let `next` raise `Gone`."""
        self._is_gone.set()
        with suppress(queue.Full):
            self._queue.put_nowait(_GONE)

    def _read(self) -> None:
        try:
            for message in self._incoming:
                self._queue.put(message)
            if not self._is_gone.wait(_DOUBT_S):
                self._queue.put(_HALF_CLOSED)
        except Exception:  # noqa: BLE001 - gRPC raises one without a class of its own
            self._queue.put(_GONE)


@dataclass(slots=True)
class Listening:
    """Hears one stream of audio until the client half-closes.

    Args:
        config: what the client says about the audio.
        single_utterance: whether to listen to one utterance only.
        new_ear: makes the ear.
        faults: those of this call.
    """

    config: dialogflow.InputAudioConfig
    single_utterance: bool
    new_ear: Callable[[], Ear]
    faults: CallFaults
    intake: AudioIntake = field(init=False)
    _sentences: list[Sentence] = field(default_factory=list)
    _text: str = ""
    _digits: str = ""
    _is_over: bool = False
    _is_speaking: bool = False

    def __post_init__(self) -> None:
        self.intake = AudioIntake(self.config)

    @property
    def said(self) -> Input:
        """The input that comes of it all."""
        if self._digits or self._text:
            return Input(text=self._text, digits="" if self._text else self._digits)
        return Input(text=" ".join(sentence.text for sentence in self._sentences))

    def results(
        self, pieces: Callable[[], Piece | None]
    ) -> Iterator[dialogflow.StreamingRecognitionResult]:
        """Give what is recognised, until the client half-closes.

        Args:
            pieces: waits for the next piece; None when the client half-closes.
        """
        ear = self.new_ear()
        try:
            while (piece := pieces()) is not None:
                # A text, or keys, count instead of what is heard.
                self._text = piece.text or self._text
                self._digits += piece.digits or ""
                if piece.audio is not None:
                    linear = self.intake.decode(piece.audio)
                    self.faults.reach("audio", self.intake.seconds)
                    if not self._is_over and not self._text:
                        yield from self._results(ear.hear(linear))
            if self._digits and not self._text:
                yield _RESULT(message_type=_KIND.DTMF_DIGITS)
            elif not self._text:
                yield from self._rest(ear)
        finally:
            ear.close()

    def _rest(self, ear: Ear) -> Iterator[dialogflow.StreamingRecognitionResult]:
        """The final transcripts that have not been sent."""
        sent = 0 if self.single_utterance else len(self._sentences)
        if not self._is_over:
            rest = [each for each in ear.finish() if isinstance(each, Sentence)]
            if rest:
                self.faults.reach("utterance")
            self._sentences += rest
        for sentence in self._sentences[sent:]:
            yield _transcript(sentence, is_final=True)

    def _results(self, sounds: list[Sound]) -> Iterator[dialogflow.StreamingRecognitionResult]:
        for sound in sounds:
            match sound:
                case SpeechBegan():
                    if self.config.enable_voice_activity_events and not self._is_speaking:
                        yield _RESULT(message_type=_KIND.SPEECH_ACTIVITY_BEGIN)
                    self._is_speaking = True
                case Guess():
                    if not self.config.disable_interim_input_transcripts:
                        yield _transcript(sound, is_final=False)
                case Sentence():
                    yield from self._sentence(sound)
            if self._is_over:
                return

    def _sentence(self, sentence: Sentence) -> Iterator[dialogflow.StreamingRecognitionResult]:
        self._sentences.append(sentence)
        self._is_speaking = False
        self.faults.reach("utterance")
        if self.config.enable_voice_activity_events:
            yield _RESULT(message_type=_KIND.SPEECH_ACTIVITY_END)
        if self.single_utterance:
            # The transcript follows once the client has half-closed.
            self._is_over = True
            yield _RESULT(message_type=_KIND.END_OF_SINGLE_UTTERANCE)
        else:
            yield _transcript(sentence, is_final=True)


def _transcript(said: Guess | Sentence, *, is_final: bool) -> dialogflow.StreamingRecognitionResult:
    return _RESULT(
        message_type=_KIND.TRANSCRIPT,
        transcript=said.text,
        is_final=is_final,
        confidence=said.confidence if isinstance(said, Sentence) else 0.0,
        speech_end_offset=timedelta(milliseconds=said.end_ms),
        language_code="en-us",
    )
