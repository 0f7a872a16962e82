"""ASAPP's AutoTranscribe WebSocket as a state machine: which message gets which answer, and when.

Source: docs.asapp.com, AutoTranscribe "Direct WebSocket". Every conversation ends with one
`finalResponse`, the last message of all. Where the page is silent:

- Every error ends the conversation, a wrong vocabulary too. What was said before the error is still
  transcribed first.
- API Gateway does not keep the order of messages. So messages that come before `startStream`, and
  have no number, wait for it for two seconds.
- `detailedToken` and `smartFormatting` contradict redaction only if the client asks for redaction.
  By default text is redacted in any case.
- The longest stream is bounded by API Gateway, which ends a connection after two hours.
"""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Final, NamedTuple, override

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from callstream.callbacks.asapp import transcript_message
from callstream.calls.call_requests import CONNECTION_LIMIT
from callstream.dialects import asapp
from callstream.dialects.events import (
    Media,
    Start,
    Stop,
    TranscriptionRequest,
    Vocabulary,
)
from callstream.frames.records import Disconnected, Rejected, StreamEvent, Transcript
from callstream.relays.sinks.conversation import (
    Answer,
    Begin,
    Close,
    Conversation,
    Failure,
    Finish,
    Hear,
    Step,
    Terms,
)
from callstream.transcription.model import (
    MOST_PHRASE_BYTES,
    MOST_PHRASE_LENGTH,
    MOST_PHRASES,
    Redaction,
    Speaker,
    TranscriptionSettings,
)

_OK: Final = 1000
_IDLE_MS: Final = 60_000
_LONGEST_MS: Final = (CONNECTION_LIMIT - timedelta(minutes=2)) // timedelta(milliseconds=1)
"""The last lines and the last message need some of API Gateway's two hours."""
_START_PATIENCE_MS: Final = 2000
"""A message that has overtaken `startStream` waits for it for so long."""
_MOST_HELD: Final = 500
_MOST_HELD_BYTES: Final = 200_000
_BYTES_A_MS: Final = 16

_ABSENT: Final = TranscriptionRequest(role="", external_id="", language="")
_LANGUAGES: Final = frozenset({"en-US", "es-US"})
_REDACTIONS: Final[dict[str | None, Redaction]] = {
    None: "redacted",
    "redacted": "redacted",
    "unredacted": "unredacted",
    "redacted_and_unredacted": "both",
}
_REJECTIONS: Final = {asapp.BAD_AUDIO: 4082, asapp.BAD_VOCABULARY: 4091}
_FAILURES: Final = {Failure.BUSY: 5002, Failure.BROKEN: 5000, Failure.REFUSED: 4080}


_ClientEvent = Start | Media | Vocabulary | Stop | Rejected


class _Held(NamedTuple):
    event: Media | Vocabulary | Stop
    received_at: int


class Phase(StrEnum):
    """How far a conversation is."""

    WAITING = "waiting"
    STREAMING = "streaming"
    FINISHING = "finishing"
    """The last lines are on their way."""
    OVER = "over"


class ConversationState(Struct):
    """The state of a conversation. Times are in milliseconds since 1970.

    Args:
        opened_at: when the client connected.
        heard_at: when the client's latest message was received.
        phase: how far the conversation is.
        began_at: when `startStream` was received; None before.
        ended_at: when the message was received that ends the stream; None before.
        audio_bytes: how much audio was taken.
        transcripts: how many lines were sent.
        phrases: how many phrases the vocabulary has.
        code: the code of the last message.
        fault: more about that.
    """

    opened_at: int
    heard_at: int
    phase: Phase = Phase.WAITING
    began_at: int | None = None
    ended_at: int | None = None
    audio_bytes: int = 0
    transcripts: int = 0
    phrases: int = 0
    code: int = 1000
    fault: str = ""


class AsappConversation(Conversation):
    """One conversation.

    Args:
        stream_id: our id of the stream.
        opened_at: when the client connected, in milliseconds since 1970.
        terms: what it can offer.
        snapshot: where the conversation was in the run before; None for the first run.
    """

    # Nine of its 17 methods are those of `Conversation`; the others are one for each rule.

    def __init__(
        self,
        stream_id: str,
        opened_at: int,
        terms: Terms,
        snapshot: bytes | None = None,
    ) -> None:
        self._stream_id = stream_id
        self._terms = terms
        self.state = ConversationState(opened_at, opened_at)
        # What waits for `startStream`, and when it was received.
        self._held: list[_Held] = []
        if snapshot is not None:
            self.state, self._held = msgspec.msgpack.decode(
                snapshot, type=tuple[ConversationState, list[_Held]]
            )

    @override
    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode((self.state, self._held))

    @property
    @override
    def deadline(self) -> int | None:
        state = self.state
        if state.phase not in {Phase.WAITING, Phase.STREAMING}:
            return None
        times = [state.heard_at + _IDLE_MS, state.opened_at + _LONGEST_MS]
        return min(
            [*times, self._held[0].received_at + _START_PATIENCE_MS] if self._held else times
        )

    @override
    def take(self, event: StreamEvent, received_at: int) -> Sequence[Step]:
        state = self.state
        match event:
            case Disconnected():
                state.phase = Phase.OVER
                return []
            case Start() | Media() | Vocabulary() | Stop() | Rejected():
                state.heard_at = max(state.heard_at, received_at)
            case _:
                return []  # no message of the client
        match state.phase:
            case Phase.WAITING:
                return self._take_early(event, received_at)
            case Phase.STREAMING:
                return self._take_streaming(event, received_at)
            case Phase.FINISHING if not isinstance(event, Media) and state.code == _OK:
                state.code, state.fault = 4056, "a message after finishStream"
        return []

    @override
    def expire(self, now: int) -> Sequence[Step]:
        state, deadline = self.state, self.deadline
        if deadline is None or now < deadline:
            return []
        if now >= state.opened_at + _LONGEST_MS:
            return self._end(4090, "a stream may last less than two hours", now)
        if self._held:
            return self._end(4056, "startStream is missing", now)
        return self._end(4083, "no message for 60 seconds", now)

    @override
    def line(self, line: Transcript) -> str | None:
        if self.state.phase is Phase.OVER:
            return None
        return msgspec.json.encode(transcript_message(line)).decode()

    @override
    def count_line(self) -> None:
        self.state.transcripts += 1

    @override
    def finished(self, now: int) -> Sequence[Step]:
        return self._close(now)

    @override
    def failed(self, failure: Failure, now: int) -> Sequence[Step]:
        self.state.code, self.state.fault = _FAILURES[failure], ""
        return self._close(now)

    @override
    def stopped(self, now: int) -> Sequence[Step]:
        if self.state.code == _OK and self.state.phase is not Phase.FINISHING:
            self.state.code = 5001
        return self._close(now)

    def _take_early(self, event: _ClientEvent, received_at: int) -> Sequence[Step]:
        if isinstance(event, Rejected):
            return self._reject(event, received_at)
        if isinstance(event, Start):
            held, self._held = self._held, []
            steps = [*self._start(event, received_at)]
            for each in held:
                steps += self.take(each.event, each.received_at)
            return steps
        self._held.append(_Held(event, received_at))
        held_bytes = sum(_size(each.event) for each in self._held)
        waits = received_at < self._held[0].received_at + _START_PATIENCE_MS
        if waits and held_bytes <= _MOST_HELD_BYTES and len(self._held) <= _MOST_HELD:
            return []
        return self._end(4056, "startStream is missing", received_at)

    def _take_streaming(self, event: _ClientEvent, received_at: int) -> Sequence[Step]:
        match event:
            case Media():
                at_ms = self.state.audio_bytes // _BYTES_A_MS
                self.state.audio_bytes += len(event.audio)
                return [Hear(replace(event, timestamp=at_ms), received_at)]
            case Vocabulary():
                return self._learn(event, received_at)
            case Stop():
                return self._end(_OK, "", received_at)
            case Start():
                return self._end(4056, "a second startStream", received_at)
            case Rejected():
                return self._reject(event, received_at)

    def _start(self, start: Start, received_at: int) -> Sequence[Step]:
        if (refusal := _refusal(start, self._terms)) is not None:
            return self._end(*refusal, received_at)
        asked = start.transcription or _ABSENT
        speaker = Speaker(
            transcript_id=self._stream_id,
            role="agent" if asked.role == "agent" else "customer",
            external_id=asked.external_id,
        )
        settings = TranscriptionSettings(
            language=asked.language,
            smart_formatting=asked.smart_formatting,
            word_times=asked.word_times,
            redaction=_REDACTIONS[asked.redaction],
            speakers={"inbound": speaker},
        )
        self.state.phase, self.state.began_at = Phase.STREAMING, received_at
        return [Answer(asapp.start_response(self._stream_id)), Begin(settings)]

    def _learn(self, vocabulary: Vocabulary, received_at: int) -> Sequence[Step]:
        phrases = vocabulary.phrases
        self.state.phrases += len(phrases)
        if self.state.phrases > MOST_PHRASES:
            fault = f"a stream may have {MOST_PHRASES} phrases"
            return self._end(4084, fault, received_at)
        texts = (text for each in phrases for text in (each.phrase, *each.sounds_like))
        if any(len(text) > MOST_PHRASE_LENGTH for text in texts):
            fault = f"a phrase may have {MOST_PHRASE_LENGTH} characters"
            return self._end(4084, fault, received_at)
        if any(each.size > MOST_PHRASE_BYTES for each in phrases):
            fault = f"a phrase may have {MOST_PHRASE_BYTES} bytes with all its sounds"
            return self._end(4084, fault, received_at)
        return [Hear(vocabulary, received_at), Answer(asapp.vocabulary_response())]

    def _reject(self, rejected: Rejected, received_at: int) -> Sequence[Step]:
        return self._end(_REJECTIONS.get(rejected.reason, 4040), rejected.detail, received_at)

    def _end(self, code: int, fault: str, at: int) -> Sequence[Step]:
        """Let the last message have this code; first the last lines come, if there can be any."""
        state = self.state
        state.code, state.fault, state.ended_at = code, fault, at
        if state.phase is Phase.STREAMING:
            state.phase = Phase.FINISHING
            return [Finish()]
        return self._close(at)

    def _close(self, now: int) -> Sequence[Step]:
        state = self.state
        if state.phase is Phase.OVER:
            return []
        state.phase, self._held = Phase.OVER, []
        ended_at = now if state.ended_at is None else state.ended_at
        began_at = ended_at if state.began_at is None else state.began_at
        summary = {
            "totalAudioBytes": state.audio_bytes,
            "audioDurationMs": state.audio_bytes // _BYTES_A_MS,
            "streamingSeconds": round((ended_at - began_at) / 1000),
            "transcripts": state.transcripts,
        }
        text = asapp.final_response(self._stream_id, state.code, state.fault, summary)
        return [Answer(text), Close()]


def _size(event: Media | Vocabulary | Stop) -> int:
    match event:
        case Media(audio=audio):
            return len(audio)
        case Vocabulary(phrases=phrases):
            return sum(each.size for each in phrases)
        case _:
            return 0


def _refusal(start: Start, terms: Terms) -> tuple[int, str] | None:
    """The code and the fault of a start that cannot be done; None if it can."""
    asked = start.transcription or _ABSENT
    contradicted = asapp.redaction_fault(
        asked.redaction,
        smart_formatting=asked.smart_formatting,
        detailed_token=asked.word_times,
        always_redacts=terms.always_redacts,
    )
    unheard = f"{asked.language} is transcribed by Amazon Transcribe only"
    refusals = (
        (asked.language not in _LANGUAGES, 4050, ""),
        (asked.language not in terms.languages, 4050, unheard),
        (start.format.encoding != asapp.FORMAT.encoding, 4051, ""),
        (start.format.sample_rate != asapp.FORMAT.sample_rate, 4053, ""),
        (contradicted is not None, contradicted or _OK, ""),
    )
    return next(((code, fault) for applies, code, fault in refusals if applies), None)
