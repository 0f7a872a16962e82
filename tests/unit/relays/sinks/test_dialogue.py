"""Dialogues from the carrier's frames to what the carrier plays, and what the agent is asked."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from callstream.audio.formats import AudioFormat
from callstream.dialogues.virtual_agent import (
    AgentFailed,
    DialogueEnd,
    DialogueTerms,
    Heard,
    KeysWanted,
    Remedy,
    Reply,
    SpeechBegan,
    TurnEvent,
    UtteranceEnded,
)
from callstream.relays.checkpoint import Checkpoint
from callstream.relays.endings import Ending, Outcome
from callstream.relays.invocation import RunKind
from callstream.relays.ports import LeaseStatus
from tests.unit.dialogues.scripted_agent import ScriptedAgent, ScriptedDialogue, ScriptedTurn
from tests.unit.items import started_stream
from tests.unit.relays.scenes import play_without_waiting, until
from tests.unit.relays.sinks.dialogue_scenes import Scene, Spoken

GOODBYE = DialogueEnd("end_interaction")


def speech(value: int, length_ms: int) -> bytes:
    """The audio of a reply: L16 whose bytes have one value."""
    return bytes([value]) * (length_ms * 16)


def says(*replies: Reply | Sequence[Reply]) -> Callable[[str], Sequence[Reply]]:
    """Answers one utterance after the other; then nothing."""
    answers = [[each] if isinstance(each, Reply) else each for each in replies]
    return lambda _: answers.pop(0) if answers else []


def test_agent_greets_answers_and_says_goodbye() -> None:
    async def act() -> None:
        agent = ScriptedAgent(
            answer=says(
                Reply(speech(2, 1000), "the answer"),
                Reply(speech(3, 500), "goodbye", end=GOODBYE),
            ),
            greeting=[Reply(speech(1, 800), "welcome")],
        )
        scene = Scene(agent, analyzes_sentiment=True, partial_replies=True)
        running = scene.run()
        await scene.silence(2)
        await scene.say((7, 500), (0, 2500))
        await scene.say((8, 300), (0, 3000))

        assert await running == Outcome(Ending.CONSUMER)
        assert agent.terms == [
            DialogueTerms(
                AudioFormat("L16", 8000, 1), analyzes_sentiment=True, partial_replies=True
            )
        ]
        assert agent.acted == ["7:500", "8:300"]
        assert scene.carrier.spoken == [Spoken(1, 800), Spoken(2, 1000), Spoken(3, 500)]
        assert scene.table.told == [
            ("replied", "welcome"),
            ("heard", "7:500"),
            ("replied", "the answer"),
            ("heard", "8:300"),
            ("replied", "goodbye"),
            ("ended", "end_interaction"),
        ]
        assert scene.lease.reported == ["acquired", ("finished", None, 0)]
        assert agent.log[-1] == "end"
        assert agent.is_closed
        assert all(reply.is_done for reply in scene.table.replies.values())

    play_without_waiting(act)


def test_first_audio_of_a_reply_is_posted_when_the_reply_arrives() -> None:
    async def act() -> None:
        agent = ScriptedAgent(thinks_s=0.7, answer=says(Reply(speech(2, 1000))))
        scene = Scene(agent)
        scene.run()
        await scene.silence(2)
        began = scene.clock()
        await scene.say((7, 500), (0, 3000))
        # The pause that ends the utterance is complete with the piece after 800 ms.
        assert scene.carrier.first_at == pytest.approx(began + 0.8 + 0.7, abs=0.1)

    play_without_waiting(act)


@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "G722"])
def test_replies_are_asked_for_in_the_codec_of_the_call(codec: str) -> None:
    async def act() -> None:
        scene = Scene(ScriptedAgent())
        scene.table.codec = codec
        scene.run()
        await scene.silence(1)
        wanted = "L16" if codec == "G722" else codec
        assert [terms.reply_format.encoding for terms in scene.agent.terms] == [wanted]

    play_without_waiting(act)


def test_speech_beyond_the_longest_turn_goes_on_in_the_next() -> None:
    async def act() -> None:
        agent = ScriptedAgent(answer=says(Reply(b""), Reply(speech(2, 500), end=GOODBYE)))
        scene = Scene(agent)
        running = scene.run()
        await scene.say((0, 1000), (7, 60_000), (0, 2000))
        assert await running == Outcome(Ending.CONSUMER)
        lengths = [int(text.removeprefix("7:")) for text in agent.acted]
        assert len(lengths) == 2
        assert sum(lengths) == 60_000
        assert all(turn.fed_ms <= 55_000 for turn in agent.turns)

    play_without_waiting(act)


def test_speech_while_the_agent_thinks_belongs_to_the_next_turn() -> None:
    async def act() -> None:
        agent = ScriptedAgent(thinks_s=2.0, answer=lambda _: [])
        scene = Scene(agent)
        scene.run()
        await scene.say((7, 500), (0, 500), (8, 1000), (0, 5000))
        assert agent.acted == ["7:500", "8:1000"]

    play_without_waiting(act)


def test_utterances_while_the_agent_thinks_are_answered_one_after_the_other() -> None:
    async def act() -> None:
        agent = ScriptedAgent(thinks_s=4.0, answer=lambda _: [])
        scene = Scene(agent)
        scene.run()
        await scene.say((7, 500), (0, 800), (8, 500), (0, 600), (9, 500), (0, 15_000))
        # All of it reaches the second turn before that turn is known to be over.
        assert agent.acted == ["7:500", "8:500", "9:500"]

    play_without_waiting(act)


@pytest.mark.parametrize(("more_ms", "clears"), [(300, 0), (4000, 1)])
def test_speech_from_before_a_reply_does_not_cut_the_reply_off(more_ms: int, clears: int) -> None:
    async def act() -> None:
        answers = [[Reply(speech(2, 4000))], [Reply(speech(3, 500))]]
        scene = Scene(ScriptedAgent(thinks_s=2.5, answer=lambda _: answers.pop(0)))
        scene.run()
        # The agent begins to answer 3.3 s after the start: the longer words go on then.
        await scene.say((7, 500), (0, 800), (8, more_ms), (0, 8000))
        assert scene.carrier.clears == clears
        first, second = scene.carrier.spoken
        assert (first.length_ms == 4000) == (not clears)
        assert second == Spoken(3, 500)

    play_without_waiting(act)


def test_person_who_speaks_cuts_the_agent_off() -> None:
    async def act() -> None:
        agent = ScriptedAgent(answer=says(Reply(speech(2, 8000)), Reply(speech(3, 1000))))
        scene = Scene(agent)
        scene.run()
        await scene.say((7, 500), (0, 2300))
        assert scene.carrier.clears == 0
        await scene.say((8, 300), (0, 2000))
        first, second = scene.carrier.spoken
        assert second == Spoken(3, 1000)
        assert 1500 < first.length_ms < 2500
        assert scene.carrier.clears == 1
        assert agent.acted == ["7:500", "8:300"]
        await scene.silence(1)
        assert scene.table.unfinished() == []

    play_without_waiting(act)


@pytest.mark.parametrize(("is_uninterruptible", "clears"), [(True, 0), (False, 1)])
def test_partial_replies_play_in_turn_and_some_cannot_be_cut_off(
    *, is_uninterruptible: bool, clears: int
) -> None:
    async def act() -> None:
        replies = [
            Reply(speech(2, 4000), is_partial=True, is_uninterruptible=is_uninterruptible),
            Reply(speech(3, 1000)),
        ]
        scene = Scene(ScriptedAgent(answer=says(replies)))
        scene.run()
        await scene.say((7, 500), (0, 1500), (8, 300), (0, 6000))
        assert scene.carrier.clears == clears
        if is_uninterruptible:
            assert scene.carrier.spoken == [Spoken(2, 4000), Spoken(3, 1000)]
        else:
            assert [each.value for each in scene.carrier.spoken] == [2]

    play_without_waiting(act)


def test_what_is_heard_late_in_a_turn_does_not_cut_off_its_own_reply() -> None:
    async def act() -> None:
        agent = ScriptedAgent()
        agent.next_turn = lambda turn: asyncio.get_running_loop().call_later(
            1.5,
            turn.end,
            SpeechBegan(),
            Reply(speech(2, 1000), is_partial=True),
            Heard("late", is_final=True),
            Heard("", is_final=True),
            Reply(speech(3, 500), end=GOODBYE),
        )
        scene = Scene(agent)
        running = scene.run()
        await scene.silence(5)
        assert await running == Outcome(Ending.CONSUMER)
        assert scene.carrier.spoken == [Spoken(2, 1000), Spoken(3, 500)]

    play_without_waiting(act)


def test_speech_after_a_reply_belongs_to_the_next_turn_although_the_stream_stays_open() -> None:
    async def act() -> None:
        agent = ScriptedAgent()
        first: list[Any] = [SpeechBegan(), Reply(speech(2, 200))]

        def answer_unasked(turn: ScriptedTurn) -> None:
            asyncio.get_running_loop().call_later(2, turn.give, *first)
            first.clear()

        agent.next_turn = answer_unasked
        scene = Scene(agent)
        scene.run()
        await until(lambda: agent.turns)
        await scene.say((0, 2000), (8, 360), (0, 2000))
        assert agent.acted == ["8:360"]

    play_without_waiting(act)


@pytest.mark.parametrize(
    ("wanted", "pressed", "digits"),
    [
        (None, "12", "12"),
        (KeysWanted(4, "#"), "12#", "12#"),
        (KeysWanted(3, "#"), "1234", "123"),
        (KeysWanted(0, "#"), "1*0", "1*0"),
        (None, "7" * 100, "7" * 64),
    ],
)
def test_keys_are_given_to_the_agent_when_they_are_complete(
    wanted: KeysWanted | None, pressed: str, digits: str
) -> None:
    async def act() -> None:
        agent = ScriptedAgent(
            greeting=[Reply(speech(1, 5000), keys=wanted)],
            answer=says(Reply(speech(2, 500))),
        )
        scene = Scene(agent)
        scene.run()
        await scene.silence(2)
        is_incomplete = digits == pressed and not pressed.endswith("#")
        scene.press(pressed)
        await scene.silence(1.9)
        given = f"press {digits}{' as wanted' if wanted else ''}"
        assert (given in agent.log) != is_incomplete
        await scene.silence(0.3)
        assert given in agent.log
        assert agent.acted[0] == digits
        # Keys cut the agent off as speech does.
        assert scene.carrier.clears == 1

    play_without_waiting(act)


def test_silence_is_reported_again_if_the_agent_minds() -> None:
    async def act() -> None:
        agent = ScriptedAgent(
            greeting=[Reply(speech(1, 3000))], silence=[Reply(speech(2, 1000), "still there?")]
        )
        scene = Scene(agent)
        scene.run()
        await scene.silence(12.5)
        assert scene.asked["silence"] == 0
        await scene.silence(1)
        assert scene.asked["silence"] == 1
        await scene.silence(11.5)
        assert scene.asked["silence"] == 2
        assert scene.carrier.spoken == [Spoken(1, 3000), Spoken(2, 2000)]

    play_without_waiting(act)


@pytest.mark.parametrize("events", [[], [UtteranceEnded()]])
def test_silence_is_reported_to_an_agent_that_ends_silent_turns_early(
    events: list[TurnEvent],
) -> None:
    async def act() -> None:
        agent = ScriptedAgent(silence=[Reply(speech(2, 1000), "still there?")])
        loop = asyncio.get_running_loop()
        agent.next_turn = lambda turn: loop.call_later(4, turn.end, *events)
        scene = Scene(agent)
        scene.run()
        await scene.silence(12)
        assert scene.asked["silence"] == 1
        assert scene.asked["listen"] > 2

    play_without_waiting(act)


def test_silence_is_not_reported_to_an_agent_that_does_not_mind_until_something_is_said() -> None:
    async def act() -> None:
        scene = Scene(ScriptedAgent(answer=lambda _: []))
        scene.run()
        await scene.silence(70)
        assert scene.asked["silence"] == 1
        # A turn without speech ends in time, and is not answered.
        assert scene.asked["listen"] == 3
        await scene.say((7, 500), (0, 12_000))
        assert scene.agent.acted == ["7:500"]
        assert scene.asked["silence"] == 2

    play_without_waiting(act)


@pytest.mark.parametrize("kind", ["live_agent_handoff", "transfer"])
def test_handing_the_person_on_ends_the_relay_after_the_last_reply(kind: Any) -> None:
    async def act() -> None:
        end = DialogueEnd(kind, {"to": "sales"}, "+15550100")
        scene = Scene(ScriptedAgent(answer=says(Reply(speech(2, 3000), "one moment", end=end))))
        running = scene.run()
        await scene.say((7, 500), (0, 1000), (8, 500), (0, 3000))
        assert await running == Outcome(Ending.CONSUMER)
        # Nothing that is said meanwhile cuts the last words off.
        assert scene.carrier.spoken == [Spoken(2, 3000)]
        assert scene.table.told[-1] == ("ended", kind)
        assert scene.agent.acted == ["7:500"]

    play_without_waiting(act)


# --- Failures ---


@pytest.mark.parametrize("remedy", ["repeat", "renew", "wait"])
def test_turn_that_fails_is_repeated_with_its_audio(remedy: Remedy) -> None:
    async def act() -> None:
        agent = ScriptedAgent(
            failures=[AgentFailed("gone", remedy)] * 2,
            answer=says(Reply(speech(2, 500)), Reply(speech(3, 500))),
        )
        scene = Scene(agent)
        scene.run()
        await scene.say((0, 1000), (7, 5000), (0, 12_000), (8, 300), (0, 1000))
        assert agent.acted == ["7:5000", "8:300"]
        assert [each.value for each in scene.carrier.spoken] == [2, 3]
        told = [("heard", "7:5000"), ("replied", ""), ("heard", "8:300"), ("replied", "")]
        assert scene.table.told == told
        assert scene.sinks[0].dropped == 0

    play_without_waiting(act)


@pytest.mark.parametrize(("remedy", "tries"), [("repeat", 4), ("renew", 5), ("wait", 5)])
def test_agent_that_fails_again_and_again_fails_the_relay(remedy: Remedy, tries: int) -> None:
    async def act() -> None:
        agent = ScriptedAgent(failures=[AgentFailed("gone", remedy)] * 9)
        scene = Scene(agent)
        running = scene.run()
        await scene.say((7, 500), (0, 40_000))
        assert await running == Outcome(Ending.FAILURE, "gone")
        assert len(agent.failures) == 9 - tries
        # What was said is reported once, though nobody has answered.
        assert scene.table.told == [("heard", "7:500"), ("ended", "error")]
        assert scene.lease.reported[-1][:2] == ("finished", "gone")
        assert agent.log[-1] == "end"

    play_without_waiting(act)


def test_keys_are_pressed_again_if_their_turn_fails() -> None:
    async def act() -> None:
        scene = Scene(ScriptedAgent(failures=[AgentFailed("gone", "repeat")]))
        scene.run()
        await scene.silence(1)
        scene.press("12")
        await scene.silence(6)
        assert scene.asked["press 12"] == 2
        assert scene.agent.acted == ["12"]

    play_without_waiting(act)


def test_agent_that_refuses_fails_at_once_after_the_words_that_play() -> None:
    async def act() -> None:
        agent = ScriptedAgent(
            greeting=[Reply(speech(1, 3000))], failures=[AgentFailed("refused", "none")]
        )
        agent.fails_after_ms = 1000
        agent.refusals["listen"] = [AgentFailed("refused", "none")]
        scene = Scene(agent)
        running = scene.run()
        await scene.silence(5)
        assert await running == Outcome(Ending.FAILURE, "refused")
        assert scene.carrier.spoken == [Spoken(1, 3000)]

    play_without_waiting(act)


def test_error_after_the_last_reply_is_no_failure() -> None:
    async def act() -> None:
        agent = ScriptedAgent(
            failures=[AgentFailed("gone", "none")],
            fails_after_reply=True,
            answer=says(Reply(speech(2, 500)), Reply(speech(3, 500))),
        )
        scene = Scene(agent)
        running = scene.run()
        await scene.say((7, 500), (0, 2000), (8, 300), (0, 2000))
        assert agent.acted == ["7:500", "8:300"]
        assert not running.done()

    play_without_waiting(act)


def test_turn_whose_stream_stays_open_after_the_last_reply_is_closed() -> None:
    async def act() -> None:
        agent = ScriptedAgent(ends_turns=False)
        scene = Scene(agent)
        scene.run()
        await scene.say((7, 500), (0, 500), (8, 300), (0, 2000))
        assert agent.acted == ["7:500", "8:300"]

    play_without_waiting(act)


def test_agent_that_never_answers_is_asked_again_and_then_fails() -> None:
    async def act() -> None:
        scene = Scene(ScriptedAgent(thinks_s=1000))
        running = scene.run()
        await scene.say((7, 500), (0, 130_000))
        assert await running == Outcome(Ending.FAILURE, "no_answer")
        # What came while nobody listened is bounded.
        assert scene.sinks[0].dropped > 0

    play_without_waiting(act)


@pytest.mark.parametrize("answers", [[], [Reply(speech(2, 500))]])
def test_agent_that_ends_every_turn_at_once_is_not_asked_for_ever(answers: list[Reply]) -> None:
    async def act() -> None:
        agent = ScriptedAgent()
        agent.next_turn = lambda turn: turn.end(*answers)
        scene = Scene(agent)
        running = scene.run()
        await scene.silence(10)
        assert await running == Outcome(Ending.FAILURE, "turn_ended")
        assert scene.asked["listen"] == 5
        assert len(scene.table.replies) == 5 * len(answers)

    play_without_waiting(act)


def test_agent_that_ends_silent_turns_after_a_while_is_asked_again() -> None:
    async def act() -> None:
        agent = ScriptedAgent(answer=lambda _: [])
        agent.next_turn = lambda turn: asyncio.get_running_loop().call_later(5, turn.end)
        scene = Scene(agent)
        running = scene.run()
        await scene.silence(60)
        assert not running.done()
        await scene.say((7, 500), (0, 1000))
        assert agent.acted == ["7:500"]

    play_without_waiting(act)


@pytest.mark.parametrize(
    ("request_", "remedy", "outcome"),
    [
        ("begin", "none", Outcome(Ending.FAILURE, "refused")),
        ("make", "none", Outcome(Ending.FAILURE, "refused")),
        ("greet", "none", Outcome(Ending.FAILURE, "refused")),
        ("begin", "repeat", None),
        ("greet", "wait", None),
        ("listen", "repeat", None),
        ("silence", "repeat", None),
    ],
)
def test_request_that_fails_is_repeated_or_fails_the_relay(
    request_: str, remedy: Remedy, outcome: Outcome | None
) -> None:
    async def act() -> None:
        agent = ScriptedAgent(refusals={request_: [AgentFailed("refused", remedy)] * 2})
        scene = Scene(agent)
        running = scene.run()
        await scene.silence(25)
        has_begun = request_ not in {"begin", "make"} or outcome is None
        assert scene.lease.reported[:1] == (
            ["acquired"] if has_begun else [("finished", "refused", 0)]
        )
        if outcome is None:
            assert not running.done()
            assert scene.asked[request_] >= 3
        else:
            assert await running == outcome
            assert scene.agent.is_closed or request_ == "make"

    play_without_waiting(act)


def test_call_without_a_codec_here_fails() -> None:
    async def act() -> None:
        scene = Scene()
        scene.streams[0] = started_stream("s1", connected_at=1_000_000, encoding="SPEEX")
        assert await scene.run() == Outcome(Ending.FAILURE, "undecodable_audio")
        assert scene.agent.log == ["make", "begin", "end"]

    play_without_waiting(act)


def test_relay_that_was_stopped_before_it_began_leaves_no_dialogue() -> None:
    async def act() -> None:
        scene = Scene()
        scene.lease.stopped_before = True
        assert await scene.run() is None
        assert scene.agent.log == ["make", "begin", "end"]

    play_without_waiting(act)


# --- The end ---


def test_last_words_of_a_call_are_answered_and_reported() -> None:
    async def act() -> None:
        scene = Scene(ScriptedAgent(answer=says(Reply(speech(2, 500), "too late"))))
        running = scene.run()
        await scene.say((0, 1000), (7, 530))
        await scene.hang_up()
        assert await running == Outcome(Ending.CALL)
        told = [("heard", "7:530"), ("replied", "too late"), ("ended", "hangup")]
        assert scene.table.told == told
        assert scene.carrier.spoken == []
        assert scene.agent.log[-1] == "end"
        assert scene.table.unfinished() == []

    play_without_waiting(act)


def test_last_words_are_reported_although_the_agent_does_not_answer_in_time() -> None:
    async def act() -> None:
        scene = Scene(ScriptedAgent(thinks_s=30))
        running = scene.run()
        await scene.say((0, 1000), (7, 500), (0, 600))
        await scene.hang_up()
        assert await running == Outcome(Ending.CALL)
        assert scene.table.told == [("heard", "7:500"), ("ended", "hangup")]
        assert not scene.agent.open_turns

    play_without_waiting(act)


@pytest.mark.parametrize("is_stopped", [False, True])
def test_end_is_reported_once_although_the_call_ends_at_the_same_time(*, is_stopped: bool) -> None:
    async def act() -> None:
        bye = Reply(speech(2, 500), "bye", end=GOODBYE)
        scene = Scene(ScriptedAgent(answer=says(bye), ends_s=3.0))
        running = scene.run()
        await scene.say((7, 500), (0, 500))
        await until(lambda: scene.asked["end"])
        if is_stopped:
            scene.lease.status_now = LeaseStatus.STOPPED
        else:
            await scene.hang_up()
        assert await running == Outcome(Ending.COMMAND if is_stopped else Ending.CALL)
        told = [("heard", "7:500"), ("replied", "bye"), ("ended", "end_interaction")]
        assert scene.table.told == told
        # The agent's service learns of the end, once.
        assert scene.asked["end"] == scene.agent.ended == 1

    play_without_waiting(act)


def test_command_silences_the_agent() -> None:
    async def act() -> None:
        story = Reply(speech(1, 20_000), "a long story", is_uninterruptible=True)
        scene = Scene(ScriptedAgent(greeting=[story], thinks_s=30))
        running = scene.run()
        await scene.say((7, 500), (0, 2500))
        scene.lease.status_now = LeaseStatus.STOPPED
        assert await running == Outcome(Ending.COMMAND)
        # At once, and not only when the agent has had its time to answer.
        (spoken,) = scene.carrier.spoken
        assert 2500 < spoken.length_ms < 4500
        told = [("replied", "a long story"), ("heard", "7:500"), ("ended", "stopped")]
        assert scene.table.told == told
        assert scene.agent.log[-1] == "end"
        assert scene.table.unfinished() == []

    play_without_waiting(act)


def test_lost_marks_hold_nothing_up() -> None:
    async def act() -> None:
        agent = ScriptedAgent(
            greeting=[Reply(speech(1, 1000))], answer=says(Reply(speech(2, 500), end=GOODBYE))
        )
        scene = Scene(agent)
        scene.carrier.has_marks = False
        running = scene.run()
        await scene.silence(14)
        assert scene.asked["silence"] == 1
        await scene.say((7, 500), (0, 4000))
        assert await running == Outcome(Ending.CONSUMER)

    play_without_waiting(act)


def test_audio_between_turns_is_bounded_and_what_is_dropped_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("callstream.relays.sinks.dialogue_audio.MOST_WAITING_MS", 10_000)

    async def act() -> None:
        agent = ScriptedAgent(thinks_s=20, answer=says(Reply(b""), Reply(b"")))
        scene = Scene(agent)
        scene.run()
        await scene.say((7, 500), (0, 300), (8, 15_000), (9, 5000), (0, 1000))
        # 20 s of waiting are 10 s too many.
        assert scene.sinks[0].dropped == pytest.approx(500, abs=20)
        await scene.silence(32)
        assert agent.acted[0] == "7:500"
        heard = dict(each.split(":") for each in agent.acted[1].split())
        assert heard["9"] == "5000"
        assert 4000 < int(heard["8"]) < 6000

    play_without_waiting(act)


def test_reports_that_cannot_be_sent_wait_and_are_lost_in_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def act() -> None:
        scene = Scene(ScriptedAgent(answer=says(Reply(b"", "one"), Reply(b"", "two"))))
        scene.run()
        scene.table.reports_fail = 3
        await scene.say((7, 500), (0, 8000))
        assert scene.table.told == [("heard", "7:500"), ("replied", "one")]
        scene.table.reports_fail = 6
        await scene.say((8, 500), (0, 30_000))
        assert scene.table.reports[2:] == [(4, "replied", "two")]

    play_without_waiting(act)
    assert "reports of a dialogue are lost" in caplog.text
    assert "8:500" not in caplog.text


# --- Hand-over and rescue ---


class FarAgent(ScriptedAgent):
    """An agent with which it takes two seconds to go on."""

    async def resume(self, terms: DialogueTerms, session: str) -> ScriptedDialogue:
        await asyncio.sleep(2)
        return await super().resume(terms, session)


async def rescue(scene: Scene, running: "asyncio.Task[Outcome | None]") -> Any:
    """Let a run die, and another take over."""
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    scene.feeds.clear()
    return scene.run(RunKind.RESCUE)


async def converse(scene: Scene, first: int, count: int, pause_ms: int = 2500) -> None:
    for word in range(first, first + count):
        await scene.say((word, 400), (0, pause_ms))


@pytest.mark.parametrize("at", [0.5, 1.2, 2.4])
def test_hand_over_loses_no_turn(at: float) -> None:
    async def act() -> None:
        agent = ScriptedAgent(
            greeting=[Reply(speech(200, 500))],
            answer=lambda text: [Reply(speech(int(text.split(":")[0]), 1000), text)],
            thinks_s=0.5,
        )
        scene = Scene(agent)
        # The first run hands over a minute before its end.
        first = scene.run(seconds=70 + at)
        talking = asyncio.create_task(converse(scene, 1, 12))
        await until(lambda: scene.lease.successors)
        second = scene.run(RunKind.SUCCESSOR)
        await talking
        await scene.silence(3)
        assert await first == Outcome(Ending.SUCCESSOR)
        assert agent.acted == [f"{word}:400" for word in range(1, 13)]
        spoken = [each.value for each in scene.carrier.spoken]
        assert spoken == [200, *range(1, 13)]
        assert [each for each in scene.carrier.spoken[1:] if each.length_ms != 1000] == []
        assert scene.asked["greet"] == scene.asked["begin"] == 1
        assert not second.done()
        await scene.hang_up()
        assert await second == Outcome(Ending.CALL)
        told = [each for each in scene.table.told if each[0] == "heard"]
        assert told == [("heard", text) for text in agent.acted]

    play_without_waiting(act)


def test_run_that_hands_over_waits_for_an_answer_that_is_on_its_way() -> None:
    async def act() -> None:
        scene = Scene(ScriptedAgent(thinks_s=12))
        first = scene.run(seconds=62)
        talking = asyncio.create_task(scene.say((0, 500), (7, 500), (0, 30_000)))
        await until(lambda: scene.lease.successors)
        scene.run(RunKind.SUCCESSOR)
        assert await first == Outcome(Ending.SUCCESSOR)
        await talking
        assert scene.agent.acted == ["7:500"]
        assert scene.carrier.first_at is not None
        assert scene.carrier.first_at - 1000 < 15

    play_without_waiting(act)


def test_run_that_hands_over_waits_for_what_the_agent_says_about_silence() -> None:
    async def act() -> None:
        still = [Reply(speech(2, 1000), "still there?")]
        scene = Scene(ScriptedAgent(silence=still, reports_s=5.0))
        # The person is silent for ten seconds when the successor is ready.
        first = scene.run(seconds=71.5)
        talking = asyncio.create_task(scene.silence(25))
        await until(lambda: scene.lease.successors)
        scene.run(RunKind.SUCCESSOR)
        assert await first == Outcome(Ending.SUCCESSOR)
        assert scene.asked["silence"] == 1
        await talking
        assert scene.carrier.spoken == [Spoken(2, 1000)]
        assert scene.table.told == [("replied", "still there?")]

    play_without_waiting(act)


def test_run_that_hands_over_leaves_the_carrier_enough_to_play() -> None:
    async def act() -> None:
        scene = Scene(ScriptedAgent(greeting=[Reply(speech(1, 30_000))], answer=lambda _: []))
        first = scene.run(seconds=62)
        talking = asyncio.create_task(scene.silence(8))
        await until(lambda: scene.lease.successors)
        scene.run(RunKind.SUCCESSOR)
        assert await first == Outcome(Ending.SUCCESSOR)
        assert scene.carrier.ends_at - scene.clock() > 20
        await talking
        # The next run cuts off what the run before has posted.
        await scene.say((7, 500), (0, 1000))
        (spoken,) = scene.carrier.spoken
        assert 8000 < spoken.length_ms < 9000

    play_without_waiting(act)


@pytest.mark.parametrize("at", [0.3, 5.2, 6.2, 9.0])
def test_rescue_loses_no_turn(at: float) -> None:
    async def act() -> None:
        agent = ScriptedAgent(
            greeting=[Reply(speech(200, 500))],
            answer=lambda text: [Reply(speech(int(text.split(":")[0]), 1000), text)],
            thinks_s=0.5,
        )
        scene = Scene(agent)
        first = scene.run()
        talking = asyncio.create_task(converse(scene, 1, 8))
        await asyncio.sleep(at)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        scene.feeds.clear()
        await asyncio.sleep(1)
        second = scene.run(RunKind.RESCUE)
        await talking
        await scene.silence(6)
        assert not second.done()
        assert agent.acted == [f"{word}:400" for word in range(1, 9)]
        heard = [each for each in scene.table.told if each[0] == "heard"]
        assert heard == [("heard", text) for text in agent.acted]

    play_without_waiting(act)


def test_rescue_plays_the_last_reply_on_and_ends_the_dialogue() -> None:
    async def act() -> None:
        scene = Scene(ScriptedAgent(answer=says(Reply(speech(2, 8000), "bye", end=GOODBYE))))
        first = scene.run()
        await scene.say((7, 500), (0, 4000))
        second = await rescue(scene, first)
        await scene.silence(12)
        assert await second == Outcome(Ending.CONSUMER)
        (spoken,) = scene.carrier.spoken
        assert 8000 <= spoken.length_ms <= 9500
        assert scene.agent.acted == ["7:500"]
        assert scene.table.told[-1] == ("ended", "end_interaction")

    play_without_waiting(act)


@pytest.mark.parametrize("greeting", [[], [Reply(speech(1, 500))]])
def test_next_run_does_not_let_the_agent_greet_again(greeting: list[Reply]) -> None:
    async def act() -> None:
        scene = Scene(ScriptedAgent(greeting=greeting))
        first = scene.run()
        # With a reply at once; without any once a checkpoint says so.
        await scene.silence(8 if not greeting else 1)
        await rescue(scene, first)
        await scene.silence(3)
        assert scene.asked["greet"] == 1
        assert scene.asked["listen"] == 2

    play_without_waiting(act)


def test_dialogue_that_ends_while_a_successor_is_called_is_ended_by_the_next_run() -> None:
    async def act() -> None:
        scene = Scene(ScriptedAgent(answer=says(Reply(speech(2, 500), "bye", end=GOODBYE))))
        first = scene.run(seconds=62)
        await until(lambda: scene.lease.successors)
        await scene.say((7, 500), (0, 3000))
        assert await first == Outcome(Ending.RESCUE)
        assert await scene.run(RunKind.RESCUE) == Outcome(Ending.CONSUMER)
        assert scene.carrier.spoken == [Spoken(2, 500)]
        told = [("heard", "7:500"), ("replied", "bye"), ("ended", "end_interaction")]
        assert scene.table.told == told

    play_without_waiting(act)


def test_next_run_that_cannot_go_on_reports_the_end_once() -> None:
    async def act() -> None:
        refused = AgentFailed("bad_key")
        scene = Scene(FarAgent(refusals={"resume": [refused, refused]}))
        first = scene.run()
        await scene.silence(1)
        scene.table.reports_fail = 1
        second = await rescue(scene, first)
        assert await second == Outcome(Ending.FAILURE, "bad_key")
        assert scene.table.reports == [(1, "ended", "error")]

    play_without_waiting(act)


def test_next_run_fails_if_the_agent_cannot_be_reached() -> None:
    async def act() -> None:
        scene = Scene()
        first = scene.run()
        await scene.silence(5)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        scene.agent.refusals["resume"] = [AgentFailed("no_connection")]
        assert await scene.run(RunKind.RESCUE) == Outcome(Ending.FAILURE, "no_connection")
        assert scene.table.told == [("ended", "error")]

    play_without_waiting(act)


def test_checkpoint_follows_a_person_who_says_nothing() -> None:
    async def act() -> None:
        scene = Scene(ScriptedAgent())
        scene.run()
        await scene.silence(40)
        assert scene.lease.checkpoint is not None
        assert scene.clock() - Checkpoint.decode(scene.lease.checkpoint).at < 8
        await scene.say((7, 20_000))
        # Nobody has answered yet: the next run must hear all of it.
        assert 20 < scene.clock() - Checkpoint.decode(scene.lease.checkpoint).at < 28

    play_without_waiting(act)


def test_keys_are_pressed_once_over_two_runs() -> None:
    async def act() -> None:
        scene = Scene(ScriptedAgent(answer=lambda _: []))
        first = scene.run()
        await scene.silence(5)
        scene.press("12")
        await scene.silence(2.5)
        for digit in "34567":
            scene.press(digit)
            await scene.silence(1.5)
        await rescue(scene, first)
        await scene.silence(6)
        assert scene.agent.acted == ["12", "34567"]

    play_without_waiting(act)


def test_next_run_knows_that_the_agent_takes_keys() -> None:
    async def act() -> None:
        greeting = [Reply(speech(1, 500), keys=KeysWanted(9, "#"))]
        scene = Scene(ScriptedAgent(greeting=greeting, answer=lambda _: []))
        first = scene.run()
        await scene.silence(1)
        await rescue(scene, first)
        await scene.silence(3)
        scene.press("12#")
        await scene.silence(1)
        assert "press 12# as wanted" in scene.agent.log

    play_without_waiting(act)


@pytest.mark.parametrize("at", [2.0, 5.5, 7.0, 9.5, 11.0, 13.0])
def test_rescue_loses_nothing_of_utterances_that_waited(at: float) -> None:
    async def act() -> None:
        agent = ScriptedAgent(thinks_s=4.0, answer=lambda _: [])
        scene = Scene(agent)
        first = scene.run()
        words = (7, 500), (0, 800), (8, 500), (0, 600), (9, 500), (0, 25_000)
        talking = asyncio.create_task(scene.say(*words))
        await asyncio.sleep(at)
        await rescue(scene, first)
        await talking
        assert agent.acted == ["7:500", "8:500", "9:500"]

    play_without_waiting(act)


def test_reply_is_kept_although_the_table_fails_for_a_moment() -> None:
    async def act() -> None:
        scene = Scene(ScriptedAgent(answer=says(Reply(speech(2, 500)))))
        scene.run()
        await scene.silence(1)
        scene.table.fails = 3
        await scene.say((7, 500), (0, 8000))
        assert [each.is_done for each in scene.table.replies.values()] == [True]

    play_without_waiting(act)


def test_rescue_of_a_stopped_relay_ends_the_dialogue_and_reports_it_without_a_word() -> None:
    async def act() -> None:
        agent = FarAgent(greeting=[Reply(speech(1, 60_000), "a long welcome")])
        scene = Scene(agent)
        running = scene.run()
        await scene.silence(5)
        scene.lease.status_now = LeaseStatus.STOPPED
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        spoken = scene.carrier.spoken
        await scene.say((7, 500), (0, 2500))

        assert await scene.run(RunKind.RESCUE) == Outcome(Ending.COMMAND)
        assert scene.carrier.spoken == spoken
        assert agent.acted == []
        assert agent.log.count("end") == 1
        assert scene.table.told[-1] == ("ended", "stopped")
        assert scene.lease.reported == ["acquired", ("finished", None, 0)]

    play_without_waiting(act)
