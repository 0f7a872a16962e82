"""Dialogues from the carrier's frames to what the carrier plays, and what the agent is asked."""

from callstream.dialogues.virtual_agent import DialogueEnd, Reply
from callstream.relays.endings import Ending, Outcome
from tests.unit.dialogues.scripted_agent import ScriptedAgent
from tests.unit.relays.scenes import play_without_waiting
from tests.unit.relays.sinks.dialogue_scenes import Scene, Spoken


def speech(value: int, length_ms: int) -> bytes:
    """The audio of a reply: little-endian samples whose bytes have one value."""
    return bytes([value]) * (length_ms * 16)


def test_agent_greets_answers_and_says_goodbye() -> None:
    async def act() -> None:
        ends = DialogueEnd("end_interaction")
        answers = [
            Reply(speech(2, 1000), "the answer"),
            Reply(speech(3, 500), "goodbye", end=ends),
        ]
        agent = ScriptedAgent(
            answer=lambda _: [answers.pop(0)], greeting=[Reply(speech(1, 800), "welcome")]
        )
        scene = Scene(agent)
        running = scene.run()
        await scene.silence(2)
        await scene.say((7, 500), (0, 2500))
        await scene.say((8, 300), (0, 3000))

        assert await running == Outcome(Ending.CONSUMER)
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
