"""One run of all checks, in their order."""

import asyncio
import json
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Final

from callstream.access.tokens import KeyRing
from callstream.console.views import StreamView
from callstream.frames.records import Returned
from callstream.tenants.deleted_ids import AFTER_RETENTION
from callstream_cli.carrier.identity import CarrierName
from callstream_cli.gateway import clerk_media_url, media_url
from callstream_cli.local.progress import Progress
from callstream_cli.operator.administration import Administration
from callstream_cli.operator.errors import output
from callstream_cli.operator.logs import log_source
from callstream_cli.operator.signatures import clear_twilio, set_twilio
from callstream_cli.verify import hops, own_audio, provoking, staying
from callstream_cli.verify.alarms import CHECK as ALARMS
from callstream_cli.verify.alarms import alarms_finding
from callstream_cli.verify.audio_checks import (
    call_finding,
    counters_finding,
    fork_delays,
    fork_finding,
    returned_finding,
)
from callstream_cli.verify.calls import ENDPOINTS, Placed, minted, noise, place
from callstream_cli.verify.deployed import Deployed
from callstream_cli.verify.evidence import Ending, Evidence
from callstream_cli.verify.findings import Finding, merged, noted, unmeasured
from callstream_cli.verify.forks import ANSWERING, RETURNED, Forked, Forks, returned_delays
from callstream_cli.verify.landings import Calls, Landed, read, streams_of
from callstream_cli.verify.local_tls import wss_urls
from callstream_cli.verify.logs import CHECK as LOGS
from callstream_cli.verify.logs import logs_finding, without_stream
from callstream_cli.verify.metrics import errors_finding, measured, throttles_finding
from callstream_cli.verify.order import order_finding, order_of
from callstream_cli.verify.path_after_stage import CHECK as PATH_AFTER_STAGE
from callstream_cli.verify.path_after_stage import path_finding
from callstream_cli.verify.queues import CHECK as QUEUES
from callstream_cli.verify.queues import queues_finding, waiting
from callstream_cli.verify.tenants import INBOX, Parties
from callstream_cli.verify.tokens import attempts, signature_attempts

FIRST_SECONDS: Final = 2.0
_FURTHER: Final = "further calls"
# Clocks differ, and Kinesis's reader begins at a time.
_MARGIN: Final = timedelta(seconds=30)
# Lines of a log can be found some seconds after they were written.
_LOG_SECONDS: Final = 10.0


@dataclass(slots=True)
class Run:
    """All checks of one deployment, with the tenants of the run."""

    deployed: Deployed
    administration: Administration
    parties: Parties
    evidence: Evidence
    progress: Progress
    first: Placed | None = None
    forked: list[Forked] = field(default_factory=list)
    others: list[Placed] = field(default_factory=list)
    client: own_audio.Client | None = None
    ids: set[str] = field(default_factory=set)
    """Of tenants, calls and streams of the run."""

    async def checks(self) -> None:
        """Make all checks. Errors of AWS and the gateway become findings."""
        options, step = self.evidence.options, self.progress.step
        self.ids |= {self.parties.caller.id, self.parties.consumer.id}
        with step("A first call"):
            await self._first_call()
        with step("A call in each dialect, each forked back into the gateway"):
            await self._calls()
        with step("Tokens: good, forged, expired and used ones"):
            await self._tokens()
        if options.stay_minutes:
            with step(f"A connection that stays open for {options.stay_minutes:g} minutes"):
                await self._stay()
        with step("Records on the frames stream"):
            await self._tried("records", self._compare())
        with step("Queues, alarms, logs and metrics"):
            await self._surroundings()
        if options.provoke:
            with step("One error on purpose"):
                await self._provoke()

    async def _first_call(self) -> None:
        audio = noise(("inbound",), FIRST_SECONDS)
        self.first = await self._tried(
            "first call", place(self.parties.caller.stack, "twilio", audio)
        )

    async def _calls(self) -> None:
        async with wss_urls(self.deployed) as as_wss:
            forks = Forks(self.deployed, self.parties, Calls.of(self.deployed), as_wss)
            await self._play(forks)

    async def _play(self, forks: Forks) -> None:
        # The local stack has not the power for all of them at once.
        at_once = asyncio.Semaphore(1 if self.deployed.is_local else len(ENDPOINTS))

        async def play(carrier: CarrierName) -> Forked | None:
            async with at_once:
                return await self._tried(_call(carrier), forks.call(carrier))

        audio = noise(("inbound",), FIRST_SECONDS * 5)
        more = [
            self._tried(_FURTHER, place(self.parties.caller.stack, "signalwire", audio))
            for _ in range(self.evidence.options.tracks)
        ]
        forked, others, _ = await asyncio.gather(
            asyncio.gather(*map(play, ENDPOINTS)), asyncio.gather(*more), self._own_audio()
        )
        self.forked += [each for each in forked if each is not None]
        self.others += [each for each in others if each is not None]

    async def _own_audio(self) -> None:
        if missing := own_audio.not_here(self.deployed):
            self.evidence.findings.append(missing)
            return
        conversing = own_audio.converse(self.parties.caller.stack)
        self.client = await self._tried(own_audio.CHECK, conversing)

    async def _tokens(self) -> None:
        findings, caller = self.evidence.findings, self.parties.caller
        with noted(findings, "tokens"):
            once, one_ms = await minted(caller.stack, lambda it: clerk_media_url(it, INBOX))
            many, many_ms = await minted(caller.stack, lambda it: media_url(it, "genagent"))
            self.evidence.hops.add(hops.MINTING, (one_ms, many_ms))
            ring = await asyncio.to_thread(self._ring)
            for attempt in attempts(once, many, ring, caller.id, self.parties.consumer.id):
                findings.append(await attempt.finding())
            with noted(findings, PATH_AFTER_STAGE):
                findings.append(await path_finding(self.deployed, many))
        with noted(findings, "Twilio's signature"):
            auth_token = token_hex(16)
            await asyncio.to_thread(
                set_twilio, self.administration, caller.id, "required", auth_token
            )
            url, other = [
                (await minted(caller.stack, lambda it: media_url(it, "genagent")))[0]
                for _ in range(2)
            ]
            is_local = self.deployed.is_local
            for attempt in signature_attempts(url, other, auth_token, is_local=is_local):
                findings.append(await attempt.finding())
            await asyncio.to_thread(clear_twilio, self.administration, caller.id)

    async def _stay(self) -> None:
        with noted(self.evidence.findings, staying.CHECK):
            minutes = self.evidence.options.stay_minutes
            finding, marks = await staying.stay(self.parties.caller.stack, minutes)
            self.evidence.findings.append(finding)
            self.evidence.marks = marks

    async def _compare(self) -> None:
        caller, consumer = self.parties.caller.id, self.parties.consumer.id
        placed = self._placed()
        wanted = {(caller, call.call_id): call.report.frames.total() for call in placed}
        wanted |= {(consumer, it.call.call_id): 0 for it in self.forked if it.came}
        if self.client and self.client.stream_id:
            # Its call has the same id.
            wanted[caller, self.client.stream_id] = 0
        streams = await streams_of(Calls.of(self.deployed), wanted)
        self.ids |= {stream.stream_id for stream in streams.values()}
        self.ids |= {call.call_id for call in placed}
        landed = await read(
            self.deployed,
            [stream.stream_id for stream in streams.values()],
            self.evidence.began_at - _MARGIN,
        )

        def of(tenant_id: str, call: Placed) -> Landed | None:
            stream = streams.get((tenant_id, call.call_id))
            return landed.get(stream.stream_id) if stream else None

        for call in self._usual():
            check = "first call" if call is self.first else _call(call.carrier)
            self.evidence.findings.append(self._judge_call(check, call, of(caller, call)))
        if self.others:
            further = [self._judge_call(_FURTHER, it, of(caller, it)) for it in self.others]
            self.evidence.findings.append(merged(_FURTHER, further))
        for forked in self.forked:
            self._judge_fork(forked, of(caller, forked.call), of(consumer, forked.call))
        if self.client:
            landing = landed.get(self.client.stream_id or "")
            self.evidence.findings.append(own_audio.finding(self.client, landing))
        self._judge_order()
        self._judge_streams(streams, {call.call_id: call for call in placed})

    def _judge_call(self, check: str, call: Placed, landed: Landed | None) -> Finding:
        is_first, evidence = call is self.first, self.evidence
        finding = call_finding(check, call, landed)
        evidence.error_messages += call.report.unreadable
        evidence.hops.add(hops.MINTING, [call.minted_ms], first=is_first)
        if call.handshake_ms is not None:
            evidence.hops.add(hops.HANDSHAKE, [call.handshake_ms], first=is_first)
        if landed is None:
            return finding
        sent_at = call.report.sent_at
        if landed.arrived_at:
            number = min(landed.arrived_at)
            times = landed.arrived_at[number] - sent_at.get(number, 0) * 1000
            evidence.hops.add(hops.FIRST_FRAME, [times], first=is_first)
        evidence.hops.add(hops.TO_KINESIS, landed.since_sending(sent_at), first=is_first)
        evidence.hops.add(hops.IN_GATEWAY, landed.in_gateway, first=is_first)
        (evidence.first_orders if is_first else evidence.orders).append(order_of(landed))
        return finding

    def _judge_fork(self, forked: Forked, call: Landed | None, fork: Landed | None) -> None:
        evidence, carrier = self.evidence, forked.call.carrier
        check = f"fork back, in {carrier}'s dialect"
        if forked.not_possible:
            how = "deploy with CloudFront=true"
            evidence.findings.append(unmeasured(check, forked.not_possible, how))
            return
        finding = fork_finding(check, carrier, forked.call.report, fork, forked.error)
        evidence.findings.append(finding)
        if fork is None or call is None:
            return
        evidence.orders.append(order_of(fork))
        evidence.hops.add(hops.FORKED, fork_delays(forked.call.report, call, fork))
        if fork.arrived_at and forked.commanded_at is not None:
            first = min(fork.arrived_at.values())
            evidence.hops.add(hops.COMMAND, [first - forked.commanded_at * 1000])
        if carrier == ANSWERING:
            self._judge_answer(forked, call)

    def _judge_answer(self, forked: Forked, call: Landed) -> None:
        taken = [
            (record.received_at, record.event.audio)
            for record in call.recording.answers
            if isinstance(record.event, Returned)
        ]
        heard = bytes(forked.call.report.playback.received)
        judged = [returned_finding(RETURNED, forked.posted, taken, heard)]
        self.evidence.findings += forked.failures or judged
        self.evidence.hops.add(hops.RETURNED, returned_delays(forked.posted, taken))

    def _judge_order(self) -> None:
        evidence = self.evidence
        if evidence.first_orders:
            finding = order_finding("order of the first call", evidence.first_orders)
            evidence.findings.append(finding)
        if evidence.orders:
            evidence.findings.append(order_finding("order of later calls", evidence.orders))

    def _judge_streams(
        self, streams: Mapping[tuple[str, str], StreamView], calls: Mapping[str, Placed]
    ) -> None:
        self.evidence.findings.append(
            counters_finding(
                [
                    (calls[call_id].report, stream)
                    for (tenant_id, call_id), stream in streams.items()
                    if tenant_id == self.parties.caller.id and call_id in calls
                ],
                [*streams.values()],
            )
        )
        self.evidence.endings += [Ending.of(stream) for stream in streams.values()]

    async def _surroundings(self) -> None:
        evidence, deployed = self.evidence, self.deployed
        ended_at = datetime.now(UTC)
        if not deployed.is_local:
            frames = sum(it.report.frames.total() for it in self._placed())
            with noted(evidence.findings, "metrics"):
                evidence.metrics = await measured(deployed, evidence.began_at, ended_at, frames)
        if deployed.is_local or evidence.metrics is not None:
            evidence.findings.append(throttles_finding(evidence.metrics))
            evidence.findings.append(errors_finding(evidence.metrics))
        with noted(evidence.findings, QUEUES):
            counts = await asyncio.to_thread(waiting, deployed)
            evidence.findings.append(queues_finding(counts))
        with noted(evidence.findings, ALARMS):
            evidence.findings.append(await asyncio.to_thread(alarms_finding, deployed))
        with noted(evidence.findings, LOGS):
            if not deployed.is_local:
                await asyncio.sleep(_LOG_SECONDS)
            source, _ = log_source(deployed.stack, evidence.began_at, ())
            entries = await asyncio.to_thread(source.poll)
            evidence.findings.append(logs_finding(entries, self.ids, left_out=source.left_out))
            evidence.without_stream = without_stream(entries)

    def _placed(self) -> Sequence[Placed]:
        return [*self._usual(), *self.others]

    def _usual(self) -> Sequence[Placed]:
        """The first call, and the call in each dialect."""
        first = [self.first] if self.first else []
        return [*first, *(it.call for it in self.forked)]

    async def _provoke(self) -> None:
        with noted(self.evidence.findings, provoking.FAILED):
            caller = self.parties.caller
            url, _ = await minted(caller.stack, lambda it: media_url(it, "genagent"))
            ring = await asyncio.to_thread(self._ring)
            self.evidence.findings += await provoking.provoke(self.deployed, url, ring, caller.id)

    def _ring(self) -> KeyRing:
        return KeyRing.from_secret(json.loads(self.administration.secret("SigningKeysSecretArn")))

    async def _tried[T](self, check: str, action: Awaitable[T]) -> T | None:
        """The result of an action; None if it failed, which is then a finding."""
        results: list[T] = []
        with noted(self.evidence.findings, check):
            results.append(await action)
        return results[0] if results else None


def left_behind(deployed: Deployed, parties: Iterable[str]) -> list[str]:
    """What stays of a run, in words: nothing deletes it earlier."""
    outputs, hours = deployed.outputs, deployed.parameters.get("FrameRetentionHours", "24")
    days = int(output(outputs, "StateRetentionDays"))
    return [
        f"records of the calls on the frames stream, for {hours} hours",
        f"the state of the calls in the Streams table, for {days} days, and log lines",
        (
            f"the ids {' and '.join(parties)}, which no new tenant can have for "
            f"{days + AFTER_RETENTION.days} days"
        ),
    ]


def _call(carrier: CarrierName) -> str:
    return f"call in {carrier}'s dialect"
