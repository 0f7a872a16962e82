import pytest

from callstream_cli import audio
from callstream_cli.dialogflow import agent
from callstream_cli.dialogflow.agent import Agent, Input
from callstream_cli.dialogflow.script import CALLER, RECORDINGS, SUFFIX, TEXTS, Speech


@pytest.mark.parametrize(
    ("said", "intent", "end"),
    [
        (Input(event="WELCOME"), "welcome", None),
        (Input(event="NO_SPEECH_RECOGNIZED"), "silence", None),
        (Input(event="sys.no-input-default"), "silence", None),
        (Input(event="OTHER"), "", None),
        (Input(text="My water has been off since this morning."), "outage", None),
        (Input(text="I live near the old bridge."), "address", None),
        (Input(text="I'd like to pay my water bill"), "bill", None),
        (Input(text="Are you OPEN?"), "hours", None),
        (Input(text="Let me talk to a person"), "person", "live_agent_handoff"),
        (Input(text="there is a flood in my street"), "emergency", "transfer"),
        (Input(text="That is good to know, thank you."), "goodbye", "end_interaction"),
        (Input(text="waterfalls"), "fallback", None),
        (Input(digits="1"), "outage", None),
        (Input(digits="2#"), "hours", None),
        (Input(digits="0"), "person", "live_agent_handoff"),
        (Input(digits="7"), "fallback", None),
        (Input(text="9"), "goodbye", "end_interaction"),
        (Input(text="I have 9"), "fallback", None),
        (Input(digits="12345#"), "account", None),
    ],
)
def test_agent_understands_words_keys_and_events(said: Input, intent: str, end: str | None) -> None:
    answer = Agent().answer(said)
    assert (answer.intent, answer.end) == (intent, end)


def test_agent_that_does_not_hear_offers_keys() -> None:
    deaf = Agent(hears=False)
    for event in ("WELCOME", "NO_SPEECH_RECOGNIZED"):
        answer = deaf.answer(Input(event=event))
        assert answer.takes_keys
        assert answer.parts[-1] == Speech("keys")
    assert deaf.answer(Input(digits="3")).parts == (Speech("bill"),)
    # Nothing but keys can follow any answer, unless it is the last.
    assert deaf.answer(Input(digits="2")).takes_keys
    assert not deaf.answer(Input(digits="9")).takes_keys


def test_sentiment_is_between_minus_one_and_one() -> None:
    assert agent.sentiment("That is terrible, and I am angry") < 0
    assert agent.sentiment("That is great, thank you") > 0
    assert agent.sentiment("My number is nine") == agent.sentiment("") == 0


def test_every_text_has_its_recording_and_all_are_small() -> None:
    files = {path.name.removesuffix(SUFFIX): path for path in RECORDINGS.iterdir()}
    assert files.keys() == TEXTS.keys()
    assert sum(path.stat().st_size for path in files.values()) < 400_000
    for name in TEXTS:
        assert len(Speech(name).audio) > 8000


def test_caller_speaks_after_the_pauses_of_the_script() -> None:
    [caller] = audio.load(audio.DIALOGUE_RECORDING).values()
    least = sum(pause_ms for pause_ms, _ in CALLER) * audio.BYTES_PER_MS
    assert least < len(caller) < least + 10_000 * audio.BYTES_PER_MS
    assert not caller[: CALLER[0][0] * audio.BYTES_PER_MS].strip(audio.SILENCE)
