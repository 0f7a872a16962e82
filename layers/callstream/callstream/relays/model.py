"""The spec of a relay, and a relay as the Streams table has it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from callstream.audio.formats import AudioFormat, usual_rate
from callstream.calls.lifecycle import RELAY_LIFECYCLE, RelayEvent, RelayState
from callstream.dialects.events import Tracks
from callstream.dialogues.model import DialogueSettings
from callstream.errors import Conflict
from callstream.identity import RelayIdentity, SinkKind
from callstream.ports import Item
from callstream.tenants.directory import Surface
from callstream.tenants.running_limits import RunningLimits
from callstream.times import milliseconds
from callstream.transcription.model import TranscriptionSettings

TargetLegs = Literal["self", "opposite", "both", "none"]


class NameTaken(Conflict):
    """Another active relay of this call has the name."""


class NoSuchRelay(Conflict):
    """The call has no active relay of this id or name."""


@dataclass(frozen=True, slots=True)
class CallCommand:
    """The fields that every command on a call has.

    `command_id` makes a repetition of the command recognisable. `client_state` goes into every
    later callback of the call; the latest value counts. `limits` are the tenant's.
    """

    tenant_id: str
    call_id: str
    now: datetime
    command_id: str | None = None
    client_state: str | None = None
    limits: RunningLimits = field(default_factory=RunningLimits)


class ReturnAudio(BaseModel):
    """The codec (RTP name, or `mp3` for files) and rate (Hz) of a consumer's return audio.

    A field that is None has the value of the audio that the consumer gets.
    """

    model_config = ConfigDict(frozen=True)

    encoding: str | None = None
    sample_rate: int | None = None


class RelaySpec(BaseModel):
    """The spec of a relay, from a command for one call or from an agent for all calls of a route.

    Surfaces make specs. No field has a vendor's name or a vendor's terms, except for `surface` and
    `dialect`, which name their modules.

    Attributes:
        surface: the surface that got the command; the callbacks are in the form of its vendor.
        sink: where the audio goes. A `websocket` has a `url` and a `dialect`.
        dialect: the messages that the consumer understands.
        url: the consumer's address, which may hold secrets of the tenant: never log it.
        url_schemes: the schemes that the surface allows in `url`.
        handshake_headers: sent to the consumer when connecting. Secret: never log them.
        codec: the RTP name of the codec that the consumer wants; None is the call's own.
        sample_rate: the rate in Hz that the consumer wants; None is the codec's usual one.
        fill_silence: whether silence fills what the carrier leaves out, so that the audio of each
            track is even.
        return_audio: the format of the return audio; None is the format that the consumer gets.
        transcription: how to transcribe, if the sink is `transcription`.
        dialogue: how to talk with a virtual agent, if the sink is `dialogflow`.
        since: the relay takes audio that was received from then on, in milliseconds since 1970;
            None is from where the relay joins the call.
        target_legs: the legs of the call that play the audio that the consumer sends back. `none`
            is a one-way stream: the consumer gets audio alone, and its messages have no effect.
        parameters: custom parameters for the consumer's start message. Secret: never log them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    surface: Surface
    sink: SinkKind
    dialect: str | None = None
    url: str | None = Field(default=None, repr=False)
    url_schemes: tuple[str, ...] = ("wss",)
    handshake_headers: dict[str, str] = Field(default={}, repr=False)
    track: Tracks
    codec: str | None = None
    sample_rate: int | None = None
    fill_silence: bool = False
    return_audio: ReturnAudio | None = None
    transcription: TranscriptionSettings | None = None
    dialogue: DialogueSettings | None = None
    since: int | None = None
    target_legs: TargetLegs = "self"
    name: str | None = None
    parameters: dict[str, str] = Field(default={}, repr=False)
    status_callback: str | None = Field(default=None, repr=False)
    status_callback_method: Literal["GET", "POST"] = "POST"

    @model_validator(mode="after")
    def _check_sink(self) -> Self:
        if self.sink == "websocket" and (self.url is None or self.dialect is None):
            raise ValueError("a WebSocket sink needs a URL and a dialect")
        if (self.sink == "transcription") != (self.transcription is not None):
            raise ValueError("a transcription has settings, and nothing else has")
        if (self.sink == "dialogflow") != (self.dialogue is not None):
            raise ValueError("a dialogue has settings, and nothing else has")
        return self

    def return_format(self, fork: AudioFormat) -> AudioFormat:
        """The format of the return audio, if `fork` is the format of the audio to the consumer."""
        if self.return_audio is None:
            return fork
        encoding = self.return_audio.encoding or fork.encoding
        rate = self.return_audio.sample_rate or usual_rate(encoding, fork.audio_rate)
        return AudioFormat(encoding, rate, 1)


class Relay(RelaySpec):
    """One live use of a call's audio. Times are milliseconds since 1970.

    `owner_run_id` is the run that owns the relay, and `heartbeat_at` the time of its latest
    heartbeat (`callstream.relays.lease`). `dropped` counts the frames that were dropped because the
    consumer was too slow. `notified_at` is when the tenant was notified that the relay is over.
    `counted` is whether the counts of what runs have the relay, until it is done.
    """

    relay_id: str
    tenant_id: str
    call_id: str
    state: RelayState = RelayState.REQUESTED
    error: str | None = None
    created_at: int
    updated_at: int
    owner_run_id: str | None = None
    heartbeat_at: int | None = None
    dropped: int | None = None
    notified_at: int | None = None
    counted: bool = True

    @classmethod
    def of_item(cls, item: Item) -> Self:
        """The relay that the Streams table has. An earlier version did not count relays."""
        return cls.model_validate({"counted": False, **item})

    @classmethod
    def of(cls, spec: RelaySpec, relay_id: str, command: CallCommand) -> Self:
        """The relay that a command makes on its call."""
        return cls(
            **dict(spec),
            relay_id=relay_id,
            tenant_id=command.tenant_id,
            call_id=command.call_id,
            created_at=milliseconds(command.now),
            updated_at=milliseconds(command.now),
        )

    @property
    def identity(self) -> RelayIdentity:
        """The ids that find the relay in the Streams table."""
        return RelayIdentity(self.tenant_id, self.call_id, self.relay_id)

    @property
    def is_active(self) -> bool:
        """Whether the relay can still be stopped."""
        return RelayEvent.STOP in RELAY_LIFECYCLE[self.state]

    @property
    def is_done(self) -> bool:
        """Whether no run has anything left to do for the relay.

        A run still has to end a relay that a command has stopped.
        """
        if self.state is RelayState.STOPPED and self.owner_run_id is not None:
            return self.notified_at is not None
        return not self.is_active

    def has_same_spec(self, other: "Relay") -> bool:
        """Whether two relays of a call have the same spec."""
        fields = set(RelaySpec.model_fields)
        return self.model_dump(include=fields) == other.model_dump(include=fields)
