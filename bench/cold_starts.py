"""What cold functions do to a call's first seconds, and what warm-ups change: a simulation.

Lambda gives an invocation an idle environment, or else starts one. The CPU time of each function's
import is measured here, the rest of a start is assumed. Everything that this machine cannot show is
a constant below.
"""

import heapq
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import mean, median
from typing import Final, Literal

from bench.handler import ENVIRONMENT
from bench.measures import Measure
from bench.samples import ROOT
from callstream.adapters.aws.warm_up_event import HOLD_SECONDS
from callstream.reordering.buffer import ReorderBuffer
from callstream.reordering.window import Window
from callstream.warm_up import FRAME_ENVIRONMENTS
from callstream.wiring.warm_ups import CALLS_A_SECOND
from tests import template

type Case = Literal["cold", "warmed", "warm", "by one function"]
"""`by one function`: a function that is invoked when the URL is minted warms all others."""

FUNCTIONS: Final = (
    "media_authorizer",
    "media_connect",
    "media_event",
    "media_frame",
    "relay",
    "relay_subscription",
    "fan_out",
    "transcription",
    "dialogflow",
)
VCPU_MB: Final = 1769
"""Lambda gives a function this part of a processor for each megabyte (AWS, "Configure memory")."""

# The medians and spreads of logarithmic normal distributions, in seconds.
_ENVIRONMENT: Final = 0.25
"""The median of Lambda's own part of a start: the sandbox, the code, the interpreter."""
_EVENT_BUS: Final = (0.06, 0.4)
"""From PutEvents to the function; AWS reports 80 to 130 ms for the slowest tenth to hundredth."""
_ASYNC: Final = (0.03, 0.4)
"""From an asynchronous invocation to the function."""
_READ: Final = (0.07, 0.2)
"""From Kinesis to the function that reads the stream, with enhanced fan-out."""
_MINT: Final = 0.02
"""One request to EventBridge or Lambda."""
_SERVICE: Final = 0.006
"""One request of a function to Kinesis or DynamoDB, on an open connection."""
_JITTER: Final = 0.01
"""The mean delay of a message on its way."""
_HANDLER_CPU: Final = 0.0005
_CONNECT_CPU: Final = 0.006
"""A TLS handshake with a service, and what the first request makes."""

_SECONDS: Final = 6
_FRAME: Final = 0.02
_RUNS: Final = 60
_IMPORTS: Final = 3


@dataclass(frozen=True, slots=True)
class Function:
    """A function's memory, the CPU seconds of its import, and how much starts differ."""

    memory_mb: int
    import_cpu: float
    spread: float = 0.25

    @property
    def vcpus(self) -> float:
        """The part of a processor that the function gets; one thread uses no more than one."""
        return min(1.0, self.memory_mb / VCPU_MB)

    def cold_seconds(self, random: Random, *, full_cpu: bool) -> float:
        """How long a new environment takes.

        AWS does not document how much CPU imports get: the function's part, or a whole processor.
        """
        imports = self.import_cpu / (1.0 if full_cpu else self.vcpus)
        return _draw(random, (_ENVIRONMENT, self.spread)) + imports


def _draw(random: Random, distribution: tuple[float, float]) -> float:
    middle, spread = distribution
    return middle * random.lognormvariate(0, spread)


class Pool:
    """The environments of one function."""

    def __init__(self, function: Function, random: Random, *, full_cpu: bool) -> None:
        self._function = function
        self._random = random
        self._full_cpu = full_cpu
        # When each is idle again.
        self._environments: list[float] = []
        self.started = 0

    def warm(self, count: int) -> None:
        """Begin with idle environments."""
        self._environments += [-1.0] * count

    def invoke(self, at: float, requests: int = 1, hold: float = 0.0) -> float:
        """Handle an event. Returns when that is done.

        Args:
            at: when the event comes.
            requests: how many requests the handler makes, one after the other.
            hold: how long the handler waits in an environment that was warm before.
        """
        done = at + requests * _SERVICE * self._random.lognormvariate(0, 0.3)
        idle = [each for each in self._environments if each <= at]
        if idle:
            self._environments.remove(max(idle))
            done += hold + _HANDLER_CPU / self._function.vcpus
        else:
            self.started += 1
            done += self._function.cold_seconds(self._random, full_cpu=self._full_cpu)
            done += (_HANDLER_CPU + _CONNECT_CPU) / self._function.vcpus
        self._environments.append(done)
        return done


@dataclass(slots=True)
class Call:
    """What a call's first seconds were like. Times in seconds."""

    handshake: float = 0.0
    """From the carrier's request to the answer."""
    first_frame: float = 0.0
    """From when the first frame was sent to when it is on Kinesis."""
    relay: float = 0.0
    """From the answer to the handshake to when an agent's relay gets records."""
    late: int = 0
    """Frames that are not heard: more than a second behind others."""
    environments: int = 0
    """Those that were started, of all functions, and of the function that takes frames."""
    frame_environments: int = 0


@dataclass(slots=True)
class World:
    """The functions, in one run."""

    functions: Mapping[str, Function]
    random: Random
    full_cpu: bool
    pools: dict[str, Pool] = field(default_factory=dict)
    # Warm-ups that are on their way: when, to which function, and for how long.
    coming: list[tuple[float, str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, function in self.functions.items():
            self.pools[name] = Pool(function, self.random, full_cpu=self.full_cpu)

    def invoke(self, name: str, at: float, requests: int = 1) -> float:
        """Invoke a function, after all warm-ups that come before."""
        while self.coming and self.coming[0][0] <= at:
            when, warmed, hold = heapq.heappop(self.coming)
            self.pools[warmed].invoke(when, hold=hold)
        return self.pools[name].invoke(at, requests)

    def warm_up(self, name: str, at: float) -> None:
        """Let a warm-up come."""
        heapq.heappush(self.coming, (at, name, HOLD_SECONDS))


_RELAYS: Final = ("relay", "relay_subscription", "fan_out")
_CALL: Final = ("media_authorizer", "media_connect", "media_event")
# The requests that each makes, one after the other.
_REQUESTS: Final = dict.fromkeys(FUNCTIONS, 1) | {
    "media_connect": 2,
    "media_event": 6,
    "relay": 5,
    "relay_subscription": 2,
    "fan_out": 2,
}


def simulate(
    functions: Mapping[str, Function],
    case: Case,
    *,
    lead: float,
    seed: int,
    calls: int = 1,
    full_cpu: bool = False,
) -> Call:
    """Calls with one track and one agent, whose URLs are minted within a second from 0 on.

    Args:
        functions: by name.
        case: which functions are warm.
        lead: how long after its URL was minted a carrier connects.
        seed: for chance.
        calls: how many.
        full_cpu: whether imports get a whole processor.

    Returns:
        The medians of the calls' times, and the sums of the rest.
    """
    random = Random(seed)  # noqa: S311 - a simulation
    world = World(functions, random, full_cpu)
    minted = [number / calls for number in range(calls)]
    for number, at in enumerate(minted):
        _prepare(world, case, at, has_room=number < (CALLS_A_SECOND.per_second or calls))
    played = _play(world, [at + lead for at in minted])
    return Call(
        handshake=median(each.accepted - each.connects for each in played),
        first_frame=median(each.first_frame for each in played),
        relay=median(each.relay for each in played),
        late=sum(_late(each.landed) for each in played),
        environments=sum(pool.started for pool in world.pools.values()),
        frame_environments=world.pools["media_frame"].started,
    )


def _prepare(world: World, case: Case, minted: float, *, has_room: bool) -> None:
    """Let the warm-ups of a call come whose URL is minted now."""
    random, event = world.random, world.functions["media_event"]
    match case:
        case "warm":
            for pool in world.pools.values():
                pool.warm(3)
        case "warmed":
            sent = minted + _MINT
            names = (*_CALL, *["media_frame"] * FRAME_ENVIRONMENTS) if has_room else ()
            for name in (*names, "media_event"):
                world.warm_up(name, sent + _draw(random, _EVENT_BUS))
            # The event function looks which agents there are.
            at = sent + _draw(random, _EVENT_BUS) + 2 * _SERVICE
            at += event.cold_seconds(random, full_cpu=world.full_cpu)
            for name in _RELAYS:
                world.warm_up(name, at + _draw(random, _EVENT_BUS))
        case "by one function":
            at = minted + _MINT + _draw(random, _ASYNC)
            world.warm_up("media_event", at)
            at += event.cold_seconds(random, full_cpu=world.full_cpu)
            others = (*_CALL, *["media_frame"] * FRAME_ENVIRONMENTS, *_RELAYS)
            for number, name in enumerate(others, 1):
                world.warm_up(name, at + number * _MINT + _draw(random, _ASYNC))


@dataclass(slots=True)
class _Played:
    """What becomes of one call. Times in seconds."""

    connects: float
    accepted: float = 0.0
    # When each frame was on Kinesis, when it was received, and its number.
    landed: list[tuple[float, float, int]] = field(default_factory=list)
    relay_starts: bool = False
    # When each function was done that runs once.
    done: dict[str, float] = field(default_factory=dict)

    @property
    def first_frame(self) -> float:
        """How long the first frame took."""
        return min(done for done, _, number in self.landed if number == 1) - self.sent_at(1)

    @property
    def relay(self) -> float:
        """How long an agent's relay waited for records."""
        return max(self.done["relay_subscription"], self.done["fan_out"]) - self.accepted

    def sent_at(self, number: int) -> float:
        """When the carrier sends a frame."""
        return self.accepted + number * _FRAME


def _play(world: World, connects: Sequence[float]) -> list[_Played]:
    """Play calls whose carriers connect at these times."""
    random = world.random
    played = [_Played(at) for at in connects]
    events = [(at, who, "media_authorizer", 0) for who, at in enumerate(connects)]
    while events:
        at, who, name, number = heapq.heappop(events)
        call = played[who]
        done = world.invoke(name, at, requests=_REQUESTS[name])
        match name:
            case "media_authorizer":
                heapq.heappush(events, (done, who, "media_connect", 0))
            case "media_connect":
                call.accepted = done
                # `connected` and `start` come at once, then a frame every 20 ms.
                messages = [("media_event", 0, done)] * 2 + [
                    ("media_frame", each, call.sent_at(each))
                    for each in range(1, int(_SECONDS / _FRAME) + 1)
                ]
                for function, each, sent in messages:
                    arrives = sent + random.expovariate(1 / _JITTER)
                    heapq.heappush(events, (arrives, who, function, each))
            case "media_event" if not call.relay_starts:
                call.relay_starts = True
                heapq.heappush(events, (done + _draw(random, _ASYNC), who, "relay", 0))
            case "media_frame":
                if not call.landed:
                    # The fan-out function starts with the first records, relay or not.
                    heapq.heappush(events, (done + _draw(random, _READ), who, "fan_out", 0))
                call.landed.append((done, at, number))
            case "relay":
                heapq.heappush(events, (done, who, "relay_subscription", 0))
            case _:
                call.done[name] = done
    return played


def _late(landed: list[tuple[float, float, int]]) -> int:
    """Frames that a consumer's buffer does not wait for."""
    buffer = ReorderBuffer[int](Window(), first=1)
    for done, received_at, number in sorted(landed):
        while buffer.deadline is not None and buffer.deadline <= done:
            buffer.expire(buffer.deadline)
        buffer.push(number, received_at, number, done)
    buffer.flush()
    return buffer.history.counts.late


def functions() -> dict[str, Function]:
    """The functions of a call's way, with the template's memory and the CPU time of an import."""
    resources = template.load()
    general = resources["Globals"]["Function"]["MemorySize"]
    properties = {
        each["Properties"]["CodeUri"].removeprefix("functions/"): each["Properties"]
        for each in resources["Resources"].values()
        if each["Type"] == "AWS::Serverless::Function"
    }
    return {
        name: Function(
            properties[name].get("MemorySize", general),
            _import_cpu(name, properties[name]["Environment"]["Variables"]),
        )
        for name in FUNCTIONS
    }


# Settings that not every text will do for.
_SETTINGS: Final = {
    "CALLSTREAM_DIALOGFLOW": "google",
    "CALLSTREAM_DIALOGFLOW_ENDPOINT": "",
    "CALLSTREAM_L16_BYTE_ORDER": "big",
    "CALLSTREAM_LOCAL": "false",
    "CALLSTREAM_RETENTION_DAYS": "30",
    "CALLSTREAM_TRANSCRIBE_URL": "",
    "CALLSTREAM_TRANSCRIBER": "amazon",
}
_IMPORT: Final = (
    "import sys, time; sys.path[1:1] = sys.argv[1:]; began = time.process_time(); "
    "import app; print(time.process_time() - began)"
)
# PyJWT imports this library if it is there, as it is on this machine; few functions have it.
_WITHOUT: Final = "import sys; sys.modules['cryptography'] = None; "
_WITH_CRYPTOGRAPHY: Final = {"dialogflow"}


def _import_cpu(name: str, variables: Iterable[str]) -> float:
    """CPU seconds of a function's import in a new interpreter; the least of some."""
    settings = {each: _SETTINGS.get(each, "https://example.com/x") for each in variables}
    return min(_once(name, settings) for _ in range(_IMPORTS))


def _once(name: str, settings: Mapping[str, str]) -> float:
    folder = ROOT / "functions" / name
    path = [folder, ROOT / "layers" / "callstream", sysconfig.get_path("purelib")]
    script = _IMPORT if name in _WITH_CRYPTOGRAPHY else _WITHOUT + _IMPORT
    # -B: the function's own file is compiled each time, as on Lambda. -S: no .pth files.
    done = subprocess.run(
        [sys.executable, "-S", "-B", "-c", script, *map(str, path)],
        cwd=folder,
        env={**ENVIRONMENT, **settings},
        stdout=subprocess.PIPE,
        check=True,
    )
    return float(done.stdout)


BUDGET: Final = 1.5
_LEAD: Final = 0.3
"""A web hook asks for the URL while the call waits, and the carrier connects at once."""
_DIALLED: Final = 4.0
"""A URL is asked for when a call is dialled, and used when somebody answers."""


def measure() -> list[Measure]:
    """Measure imports, and simulate."""
    known = functions()
    return [*_starts(known), *_simulated(known), *_crowded(known)]


def _starts(known: Mapping[str, Function]) -> Iterator[Measure]:
    for name, function in known.items():
        yield Measure(
            section="start",
            name=f"import of {name}, {function.memory_mb} MB",
            value=function.import_cpu / function.vcpus * 1e3,
            unit="ms",
            against="ms CPU",
            floor=function.import_cpu * 1e3,
            digits=0,
        )


def _simulated(known: Mapping[str, Function]) -> Iterator[Measure]:
    calls = {
        (case, lead): [simulate(known, case, lead=lead, seed=seed) for seed in range(_RUNS)]
        for case, lead in CASES
    }
    warm = {name: value for name, value, _ in _values(calls["warm", _LEAD])}
    for (case, lead), made in calls.items():
        when = f", used after {lead:g} s" if case in {"warmed", "by one function"} else ""
        for name, value, unit in _values(made):
            # What was started in time is as good as warm.
            budget = BUDGET if (case, lead) == ("warmed", _DIALLED) else None
            if case == "warmed" and name == _LATE:
                budget = 0
            yield Measure(
                section="start",
                name=f"{case}{when}: {name}",
                value=value,
                unit=unit,
                against="warm" if unit and case != "warm" else "",
                floor=warm[name] if unit and case != "warm" else None,
                budget=budget if unit or budget == 0 else None,
                digits=0 if unit else 2,
            )


def _crowded(known: Mapping[str, Function]) -> Iterator[Measure]:
    """Many calls at once: more than the deployment warms in a second."""
    cases: tuple[Case, ...] = ("cold", "warmed", "warm")
    for case in cases:
        made = [
            simulate(known, case, lead=_LEAD, seed=seed, calls=_CROWD) for seed in range(_CROWDS)
        ]
        for name, value, unit in _values(made):
            yield Measure(
                section="start",
                name=f"{_CROWD} calls in a second, {case}: {name}",
                value=value,
                unit=unit,
                digits=0,
            )


_CROWD: Final = 20
_CROWDS: Final = 5
_LATE: Final = "frames late"

CASES: Final[tuple[tuple[Case, float], ...]] = (
    ("cold", _LEAD),
    ("by one function", _LEAD),
    ("warmed", _LEAD),
    ("warmed", _DIALLED),
    ("warm", _LEAD),
)


def _values(calls: list[Call]) -> Iterator[tuple[str, float, str]]:
    yield "environments of the frame function", mean(each.frame_environments for each in calls), ""
    yield "environments of all functions", mean(each.environments for each in calls), ""
    yield "handshake", median(each.handshake for each in calls) * 1e3, "ms"
    yield "first frame on Kinesis", median(each.first_frame for each in calls) * 1e3, "ms"
    yield "an agent's relay gets records", median(each.relay for each in calls) * 1e3, "ms"
    yield _LATE, mean(each.late for each in calls), ""


if __name__ == "__main__":
    for line in measure():
        sys.stdout.write(f"{line.name:70s} {line.value:8.1f} {line.unit}\n")
