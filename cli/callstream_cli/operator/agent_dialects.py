"""How the agents of each dialect are asked for: as by their vendor's command, but two-way.

`DIALECTS` has a line for each dialect whose messages an agent may understand.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel

from callstream import dialects
from callstream.audio.formats import CODECS
from callstream.dialects.events import Tracks
from callstream.errors import Invalid
from callstream.relays.model import RelaySpec, ReturnAudio
from callstream.surfaces import (
    bodies,
    signalwire,
    signalwire_models,
    telnyx,
    telnyx_models,
    twilio,
    twilio_models,
)
from callstream_cli.operator.errors import BadValueError

DialectName = Literal["telnyx", "signalwire", "twilio"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    """The options that say what an agent gets; None is an option that was not given.

    `url`, `auth_token`, `parameters` and `status_callback` may be secrets: never show them.
    """

    url: str
    track: Tracks
    parameters: Mapping[str, str]
    codec: str | None = None
    sampling_rate: int | None = None
    fill_silence: bool = False
    legs: Literal["self", "opposite", "both"] | None = None
    auth_token: str | None = None
    mode: Literal["rtp", "mp3"] | None = None
    name: str | None = None
    status_callback: str | None = None
    status_callback_method: Literal["GET", "POST"] | None = None


@dataclass(frozen=True, slots=True)
class AgentDialect:
    """One dialect.

    Args:
        spec: makes the relay's spec as the vendor's command does. Raises `BadValueError`, which
            says nothing of the values.
        useless: why an option means nothing here, by the option's name in `AgentOptions`.
    """

    spec: Callable[[AgentOptions], RelaySpec]
    useless: Mapping[str, str]


def check(dialect: DialectName, options: AgentOptions) -> None:
    """Check that the options mean something in a dialect. Raises `BadValueError`."""
    for name, reason in DIALECTS[dialect].useless.items():
        if getattr(options, name) is not None:
            raise BadValueError(f"--{name.replace('_', '-')}: {reason}")
    _check_format(dialect, options)


def check_has_no_url(flag: str, dialect: DialectName | None, options: AgentOptions) -> None:
    """Check that no option of a WebSocket is beside a flag. Raises `BadValueError`."""
    nothing = AgentOptions(url="", track=options.track, parameters={})
    if dialect is not None or options != nothing:
        raise BadValueError(f"{flag} goes without URL, and without the options for a URL")


def spec_of(dialect: DialectName, options: AgentOptions) -> RelaySpec:
    """The spec of an agent's relays, from options that `check` has taken.

    Raises:
        BadValueError: the vendor refuses a value. The error says nothing of the values.
    """
    update: dict[str, Any] = {"target_legs": "self", "fill_silence": options.fill_silence}
    given = {
        "codec": options.codec,
        "sample_rate": options.sampling_rate,
        "target_legs": options.legs,
    }
    update |= {name: value for name, value in given.items() if value is not None}
    if _is_here(options.url):
        update |= {"url": options.url, "url_schemes": ("ws", "wss")}
        options = replace(options, url=options.url.replace("ws:", "wss:", 1))
    return DIALECTS[dialect].spec(options).model_copy(update=update)


def settings_of(spec: RelaySpec) -> dict[str, Any]:
    """What an agent gets and sends, in the words of the options; without what is not set."""
    settings = {
        "codec": spec.codec,
        "sampling_rate": spec.sample_rate,
        "fill_silence": spec.fill_silence,
        "legs": spec.target_legs,
        "mode": _mode(spec),
    }
    return {name: value for name, value in settings.items() if value is not None}


def _is_here(url: str) -> bool:
    """Whether a URL without TLS leads to this machine, where nobody else is on the way.

    Vendors that want TLS would refuse it. Only the local stack dials such an agent.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "ws" and parts.hostname in {"127.0.0.1", "::1", "localhost"}


def _mode(spec: RelaySpec) -> str | None:
    if spec.return_audio is None:
        return None
    return "mp3" if spec.return_audio == telnyx.MP3_FILES else "rtp"


def _check_format(dialect: str, options: AgentOptions) -> None:
    codec, rate, known = options.codec, options.sampling_rate, _rates(dialect)
    if codec is not None and codec not in known:
        raise BadValueError(f"--codec: this dialect has {_either(known)} only")
    if rate is None or (codec is None and not all(known.values())):
        return
    if codec is None and len(known) > 1:
        raise BadValueError("--sampling-rate: give --codec too: the call's may not have this rate")
    codec = codec or next(iter(known))
    if known[codec] and rate not in known[codec]:
        rates = _either(map(str, sorted(known[codec])))
        raise BadValueError(f"--sampling-rate: {codec} has {rates} Hz only")


def _rates(dialect: str) -> dict[str, set[int]]:
    """The codecs that a dialect can name, and their rates in Hz; no rates stand for any rate."""
    formats = dialects.DIALECTS[dialect].FORMATS
    if not formats:
        return {name: set(codec.rates) for name, codec in CODECS.items()}
    return {
        each.encoding: {other.sample_rate for other in formats if other.encoding == each.encoding}
        for each in formats
    }


def _either(choices: Iterable[str]) -> str:
    *others, last = choices
    return f"{', '.join(others)} or {last}" if others else last


def _telnyx(options: AgentOptions) -> RelaySpec:
    """What `streaming_start` would ask for, but in `rtp` mode by default."""
    audio = {"encoding": options.codec, "sample_rate": options.sampling_rate}
    fields: dict[str, Any] = {
        "stream_url": options.url,
        "stream_track": options.track,
        "stream_auth_token": options.auth_token,
        "custom_parameters": [
            {"name": name, "value": value} for name, value in options.parameters.items()
        ],
        "stream_bidirectional_mode": options.mode or "rtp",
        # Any rate goes with L16, and the codec is that of the fork.
        "stream_bidirectional_codec": options.codec or "L16",
    }
    if options.sampling_rate is not None:
        fields["stream_bidirectional_sampling_rate"] = options.sampling_rate
    spec = telnyx.spec_of(_checked(telnyx_models.StreamingStart, fields, strict=True))
    if spec.return_audio == telnyx.MP3_FILES:
        return spec
    # By default the call's own, and not that of the command.
    return spec.model_copy(update={"return_audio": ReturnAudio.model_validate(audio)})


def _form(options: AgentOptions) -> dict[str, str]:
    """The form of a new stream, as Twilio and its kin document it."""
    fields = {
        "Url": options.url,
        "Track": options.track,
        "Name": options.name,
        "StatusCallback": options.status_callback,
        "StatusCallbackMethod": options.status_callback_method,
    }
    for number, (name, value) in enumerate(options.parameters.items(), 1):
        fields |= {f"Parameter{number}.Name": name, f"Parameter{number}.Value": value}
    return {name: value for name, value in fields.items() if value is not None}


def _signalwire(options: AgentOptions) -> RelaySpec:
    """What `Create a Stream` would ask for."""
    form = _form(options)
    if options.auth_token is not None:
        form["AuthorizationBearerToken"] = options.auth_token
    return signalwire.spec_of(_checked(signalwire_models.CreateStreamBody, form, strict=False))


def _twilio(options: AgentOptions) -> RelaySpec:
    """What `Create a Stream` would ask for, but two-way, as a `<Connect><Stream>` is."""
    return twilio.spec_of(_checked(twilio_models.CreateStreamBody, _form(options), strict=False))


def _checked[Body: BaseModel](
    model: type[Body], fields: Mapping[str, Any], *, strict: bool
) -> Body:
    """The body of a command. Raises `BadValueError`, which says nothing of the values."""
    try:
        return bodies.validate(model, dict(fields), strict=strict)
    except Invalid as invalid:
        issue = invalid.issues[0]
        where = ".".join(map(str, issue.location))
        raise BadValueError(f"{where}: {issue.message}" if where else issue.message) from None


_NO_MODE: Final = {"mode": "only return audio in Telnyx's dialect has modes"}
_NO_TOKEN: Final = {"auth_token": "Twilio shows no token: a --parameter can hold one"}
_NO_NAME: Final = dict.fromkeys(
    ("name", "status_callback", "status_callback_method"),
    "streams of Telnyx have no name, and their callbacks go to the tenant's webhook: webhooks set",
)
DIALECTS: Final[Mapping[DialectName, AgentDialect]] = {
    "telnyx": AgentDialect(_telnyx, _NO_NAME),
    "signalwire": AgentDialect(_signalwire, _NO_MODE),
    "twilio": AgentDialect(_twilio, _NO_MODE | _NO_TOKEN),
}
