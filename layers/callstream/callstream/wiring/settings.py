"""Settings of the functions: one struct a need, read once from the environment.

By msgspec, not pydantic: the per-frame function reads its settings here too.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Struct


class FramesSettings(Struct, frozen=True):
    """Where records go."""

    frames_stream: str


class OverflowSettings(Struct, frozen=True):
    """Where records go that the frames stream does not take."""

    overflow_queue_url: str


class StreamsSettings(Struct, frozen=True):
    """Where the state of streams is kept, and for how many days."""

    streams_table: str
    retention_days: int = 30


class TableSettings(Struct, frozen=True):
    """Where the state of streams is kept, for those who never make an item."""

    streams_table: str


class ConnectionsSettings(Struct, frozen=True):
    """How the carriers' connections are reached."""

    connections_url: str


class SweepSettings(Struct, frozen=True):
    """How the sweep reaches the connections. 0 seconds: nothing keeps them alive."""

    connections_url: str
    keep_alive_seconds: int = 0


class FanOutSettings(Struct, frozen=True):
    """Who gets records, and how they are reached."""

    streams_table: str
    relay_connections_url: str


class RelayApiSettings(Struct, frozen=True):
    """Whose handshakes the relay API takes: names of roles, with commas between them."""

    relay_roles: str


class RunSettings(Struct, frozen=True):
    """What a run of a relay works with, whatever its sink."""

    directory_table: str
    relay_url: str
    frames_stream: str
    l16_byte_order: Literal["big", "little"] = "big"


class ConsumerSettings(Struct, frozen=True):
    """What a relay to a consumer works with."""

    connections_url: str
    callback_master_secret: str


class SinkFunctionSettings(Struct, frozen=True):
    """Which functions run the relays whose sinks have functions of their own; none if empty."""

    transcription_function: str = ""
    dialogflow_function: str = ""


class AgentSettings(Struct, frozen=True):
    """Where agents are kept, and the relays that they get."""

    directory_table: str
    streams_table: str


class StarterSettings(Struct, frozen=True):
    """Which function runs relays."""

    relay_function: str


class TranscriberSettings(Struct, frozen=True):
    """Which engine transcribes calls."""

    transcriber: Literal["none", "amazon", "offline"]


class EngineSettings(TranscriberSettings, frozen=True):
    """Which engine transcribes calls, and where Amazon's is (`transcribe_url`)."""

    transcribe_url: str = ""


class DialogflowSettings(Struct, frozen=True):
    """Whose Dialogflow talks on calls."""

    dialogflow: Literal["none", "google"]


class VirtualAgentSettings(Struct, frozen=True):
    """How tenants' virtual agents are reached. The endpoint is `host:port` (`dialogflow_endpoint`).

    `dialogflow_secrets_prefix` begins the names of the secrets with the keys to the agents.
    """

    dialogflow_secrets_prefix: str
    dialogflow_endpoint: str = ""


class CallbackQueueSettings(Struct, frozen=True):
    """Where callbacks wait for their delivery."""

    callback_queue_url: str


class DeliverySettings(Struct, frozen=True):
    """What the delivery of callbacks works with. Delays are in seconds."""

    directory_table: str
    streams_table: str
    callback_master_secret: str
    callback_dead_letter_queue_url: str
    callback_first_delay: float
    callback_longest_delay: float


class LocalSettings(Struct, frozen=True):
    """Whether this is the local stack: requests may go to this machine, with any certificate."""

    local: bool = False


class KeysSettings(Struct, frozen=True):
    """Which secret holds the signing keys."""

    signing_keys_secret: str


class TwilioSettings(Struct, frozen=True):
    """The name prefix of the secrets that hold tenants' Twilio auth tokens."""

    twilio_secrets_prefix: str


class DirectorySettings(Struct, frozen=True):
    """Where tenants are kept, and their connections to virtual agents."""

    directory_table: str


class AgentKeySettings(Struct, frozen=True):
    """The name prefix of the secrets that hold the keys of connections to virtual agents."""

    dialogflow_secrets_prefix: str


class EndpointSettings(Struct, frozen=True):
    """What every HTTP endpoint needs."""

    directory_table: str
    streams_table: str
    credential_pepper_secret: str


class MediaUrlSettings(Struct, frozen=True):
    """What mints media URLs. `media_url` is a template with `{path}` and `{token}`."""

    signing_keys_secret: str
    media_url: str


class WarmUpSettings(Struct, frozen=True):
    """The name under which this deployment's warm-ups are sent; none are sent if empty."""

    warm_up_source: str = ""


def load[T](kind: type[T], environment: Mapping[str, str]) -> T:
    """Read settings from variables named `CALLSTREAM_<FIELD>`.

    Raises:
        msgspec.ValidationError: a variable is missing or wrong; names the field.
    """
    prefix = "CALLSTREAM_"
    values = {
        name.removeprefix(prefix).lower(): value
        for name, value in environment.items()
        if name.startswith(prefix)
    }
    return msgspec.convert(values, kind, strict=False)


def is_local(environment: Mapping[str, str]) -> bool:
    """Whether requests may go to this machine itself, as tests and demonstrations need it.

    Raises:
        msgspec.ValidationError: it is switched on where there is no local stack.
    """
    if not load(LocalSettings, environment).local:
        return False
    # On AWS no function has this variable.
    if "AWS_ENDPOINT_URL" not in environment:
        raise msgspec.ValidationError("`local` is for the local stack alone - at `$.local`")
    return True


def transcribe_url(environment: Mapping[str, str]) -> str | None:
    """Where Amazon Transcribe is instead of at its own address; None if it is there.

    Raises:
        msgspec.ValidationError: audio would leave without encryption, and this is not the local
            stack.
    """
    url = load(EngineSettings, environment).transcribe_url
    if url and not url.startswith("wss://") and not is_local(environment):
        raise msgspec.ValidationError("a URL with `wss://` is needed - at `$.transcribe_url`")
    return url or None


def dialogflow_endpoint(environment: Mapping[str, str]) -> str | None:
    """Where Dialogflow is, as `host:port`, instead of at Google's; None if it is there.

    Raises:
        msgspec.ValidationError: audio would leave without encryption and authentication, and this
            is not the local stack.
    """
    endpoint = load(VirtualAgentSettings, environment).dialogflow_endpoint
    if endpoint and not is_local(environment):
        raise msgspec.ValidationError(
            "an endpoint is for the local stack alone - at `$.dialogflow_endpoint`"
        )
    return endpoint or None
