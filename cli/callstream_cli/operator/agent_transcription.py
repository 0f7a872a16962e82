"""How `callstream agents add --transcribe` asks for the transcription of a route's calls."""

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from callstream.dialects.events import TRACKS, Track, Tracks
from callstream.relays.model import RelaySpec
from callstream.transcription.model import (
    LANGUAGES,
    Redaction,
    Role,
    Speaker,
    Transcriber,
    TranscriptionSettings,
)
from callstream_cli.name_values import name_values
from callstream_cli.operator.errors import BadValueError, OperatorError

Language = Literal["en-US", "es-US"]

_ROLES: Final[tuple[Role, ...]] = get_args(Role)
_SPEAKERS: Final = "inbound=customer,outbound=agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionOptions:
    """The options that say how to transcribe; None and False are options that were not given."""

    track: Tracks | None = None
    language: Language | None = None
    redaction: Redaction | None = None
    word_times: bool = False
    plain_words: bool = False
    speakers: str | None = None


def check_needs_no_transcription(options: TranscriptionOptions) -> None:
    """Check that no option of a transcription is there. Raises `BadValueError`."""
    if options != TranscriptionOptions(track=options.track):
        raise BadValueError(
            "--language, --redaction, --word-times, --plain-words, --speakers: with --transcribe"
        )


def transcription_of(options: TranscriptionOptions, transcriber: Transcriber) -> RelaySpec:
    """The spec of the relays that transcribe, of which each call completes the ids.

    Its surface is that of the vendor whose webhook gets transcripts.

    Args:
        options: what was asked for.
        transcriber: the engine of the deployment.

    Raises:
        OperatorError: the deployment cannot transcribe, or not in this language.
        BadValueError: the speakers are not as documented.
    """
    language = options.language or "en-US"
    if transcriber == "none":
        raise OperatorError("the deployment has no transcriber: set its parameter Transcriber")
    if language not in LANGUAGES[transcriber]:
        raise OperatorError(f"{language} is not transcribed by Transcriber={transcriber}")
    return RelaySpec(
        surface="asapp",
        sink="transcription",
        track=options.track or "both_tracks",
        transcription=TranscriptionSettings(
            language=language,
            smart_formatting=not options.plain_words,
            word_times=options.word_times,
            redaction=options.redaction or "redacted",
            speakers=_speakers(options.speakers or _SPEAKERS),
        ),
    )


def transcription_settings_of(spec: RelaySpec) -> dict[str, Any] | None:
    """How the calls are transcribed, in the words of the options; None if they are not."""
    settings = spec.transcription
    if settings is None:
        return None
    return {
        "language": settings.language,
        "redaction": settings.redaction,
        "word_times": settings.word_times,
        "plain_words": not settings.smart_formatting,
        "speakers": {track: speaker.role for track, speaker in settings.speakers.items()},
    }


def _speakers(text: str) -> dict[Track, Speaker]:
    """The speakers of both tracks, which have different roles."""
    try:
        roles = name_values(text.split(","))
    except ValueError:
        roles = {}
    if {*roles} != {*TRACKS} or {*roles.values()} != {*_ROLES}:
        raise BadValueError(f"--speakers: as {_SPEAKERS}, or the other way round")
    by_name: dict[str, Role] = {role: role for role in _ROLES}
    return {track: Speaker(transcript_id="", role=by_name[roles[track]]) for track in TRACKS}
