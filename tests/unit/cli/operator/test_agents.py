"""The agents' commands."""

import json
from collections.abc import Iterable
from typing import Any, get_args

import pytest
from typer.testing import Result

from callstream.audio.formats import PCMU_8K
from callstream.dialects import DIALECTS
from callstream.dialogues.connections import AgentConnection, ConnectionRecord
from callstream.dialogues.model import DialogueSettings
from callstream.relays.agents import MOST_OF_A_ROUTE
from callstream.relays.model import ReturnAudio
from callstream.surfaces import (
    signalwire,
    signalwire_models,
    telnyx,
    telnyx_models,
    twilio,
    twilio_models,
)
from callstream_cli.operator import agent_dialects
from callstream_cli.operator.administration import Administration
from callstream_cli.operator.agent_dialects import DialectName
from callstream_cli.operator.agent_dialogue import DialogueOptions, dialogue_of
from callstream_cli.operator.agent_transcription import TranscriptionOptions, transcription_of
from callstream_cli.operator.errors import OperatorError
from tests.unit.cli.commands import ask, ok, refusal, run, words
from tests.unit.cli.operator.deployed import (
    AGENT,
    URL,
)


@pytest.mark.usefixtures("acme")
class TestAgents:
    GENAGENT = ("--route", "genagent", "--dialect")
    TELNYX_STREAMS = (
        "streams of Telnyx have no name, and their callbacks go to the tenant's webhook: "
        "webhooks set"
    )
    WHOSE = "give --route or --inbox: whose calls the agent shall get"
    SECRETS = (f"{AGENT}bot?key=s3cret-1", "s3cret-2", "s3cret-3")

    def add(self, *arguments: str, typed: Iterable[str] = ()) -> Result:
        """`agents add acme`, with lines on standard input."""
        lines = "".join(f"{line}\n" for line in typed)
        return run("agents", "add", "acme", *arguments, answer=lines)

    def test_add_list_and_remove(self, administration: Administration) -> None:
        assert ok("agents", "list", "acme") == "acme has no agents.\n"
        ok("inboxes", "create", "acme", "inbox-1")
        secrets = ["--auth-token", "-", "--parameter", "key=-", "--parameter", "lang=en"]
        inbox = ["--inbox", "inbox-1", "--dialect", "telnyx", "--json"]

        first = json.loads(self.add("-", *inbox, *secrets, typed=self.SECRETS).stdout)
        assert first == {
            "agent_id": first["agent_id"],
            "tenant_id": "acme",
            "route": "inbox",
            "inbox": "inbox-1",
            "dialect": "telnyx",
            "url": "wss://agent.example.com/…",
            "track": "inbound_track",
            "name": None,
            "auth_token_stored": True,
            "parameters": 2,
            "settings": {"fill_silence": False, "legs": "self", "mode": "rtp"},
            "transcription": None,
            "dialogue": None,
        }
        second = ask("agents", "add", "acme", AGENT, *self.GENAGENT, "signalwire")
        assert ask("agents", "list", "acme") == [second, first]
        [stored] = administration.agents.of_route("acme", "inbox", "inbox-1")
        url, auth_token, key = self.SECRETS
        assert (stored.spec.url, stored.spec.handshake_headers) == (
            url,
            {"x-telnyx-streaming-auth-token": auth_token},
        )
        assert stored.spec.parameters == {"key": key, "lang": "en"}
        assert [" ".join(line.split()) for line in ok("agents", "list", "acme").splitlines()] == [
            "agent on dialect url track name auth token parameters",
            f"{second['agent_id']} genagent signalwire {AGENT} inbound_track - none 0",
            f"{first['agent_id']} the inbox inbox-1 telnyx {AGENT}… inbound_track - stored 2",
        ]

        removed = ok("agents", "remove", "acme", first["agent_id"], "--yes")
        assert removed == f"Took the agent {first['agent_id']} from the inbox inbox-1 of acme.\n"
        assert ask("agents", "list", "acme") == [second]
        assert refusal("agents", "remove", "acme", first["agent_id"], "--yes") == (
            f"acme has no agent '{first['agent_id']}'"
        )

    def test_secrets_are_never_shown(self, caplog: pytest.LogCaptureFixture) -> None:
        secrets = ["--auth-token", "-", "--parameter", "key=-"]
        results = [self.add("-", *self.GENAGENT, "telnyx", *secrets, typed=self.SECRETS)]
        results += [run("agents", "list", "acme", *form) for form in ([], ["--json"])]
        # Nor is it in what is wrong with it.
        wrong = (self.SECRETS[0].replace("wss", "s3cret"), *self.SECRETS[1:])
        results.append(self.add("-", *self.GENAGENT, "signalwire", *secrets, typed=wrong))

        assert [result.exit_code for result in results] == [0, 0, 0, 2]
        assert not any("s3cret" in result.output for result in results)
        assert "s3cret" not in caplog.text

    def test_telnyx_agent_is_what_the_command_would_ask_for(
        self, administration: Administration
    ) -> None:
        options = ["--mode", "mp3", "--codec", "L16", "--sampling-rate", "16000", "--legs", "both"]
        track = ["--track", "both_tracks"]
        ok("agents", "add", "acme", AGENT, *self.GENAGENT, "telnyx", *options, *track)

        [agent] = administration.agents.all("acme")
        body = telnyx_models.StreamingStart(
            stream_url=AGENT,
            stream_track="both_tracks",
            stream_codec="L16",
            stream_bidirectional_mode="mp3",
            stream_bidirectional_codec="L16",
            stream_bidirectional_sampling_rate=16000,
            stream_bidirectional_target_legs="both",
        )
        # Its command has no rate for the way to the agent.
        expected = telnyx.spec_of(body).model_copy(update={"sample_rate": 16000})
        assert agent.spec == expected

    @pytest.mark.parametrize("codec", [[], ["--codec", "L16"]])
    def test_telnyx_agent_may_have_any_sampling_rate_of_l16(
        self, codec: list[str], administration: Administration
    ) -> None:
        rate = ["--sampling-rate", "24000"]
        ok("agents", "add", "acme", AGENT, *self.GENAGENT, "telnyx", *codec, *rate)

        [agent] = administration.agents.all("acme")
        assert agent.spec.return_audio == ReturnAudio(
            encoding=codec[-1] if codec else None, sample_rate=24_000
        )

    def test_signalwire_agent_is_what_the_command_would_ask_for(
        self, administration: Administration
    ) -> None:
        callback = ["--status-callback", URL, "--status-callback-method", "GET"]
        ok(
            "agents",
            "add",
            "acme",
            AGENT,
            *self.GENAGENT,
            "signalwire",
            "--name",
            "main",
            *callback,
        )

        [agent] = administration.agents.all("acme")
        form = {
            "Url": AGENT,
            "Track": "inbound_track",
            "Name": "main",
            "StatusCallback": URL,
            "StatusCallbackMethod": "GET",
        }
        assert agent.spec == signalwire.spec_of(signalwire_models.CreateStreamBody(**form))

    def test_twilio_agent_is_what_the_command_would_ask_for_but_two_way(
        self, administration: Administration
    ) -> None:
        options = ["--name", "main", "--status-callback", URL, "--parameter", "lang=en"]
        shown = ask("agents", "add", "acme", AGENT, *self.GENAGENT, "twilio", *options)

        assert shown["settings"] == {"fill_silence": False, "legs": "self"}
        [agent] = administration.agents.all("acme")
        form = {
            "Url": AGENT,
            "Name": "main",
            "StatusCallback": URL,
            "Parameter1.Name": "lang",
            "Parameter1.Value": "en",
        }
        spec = twilio.spec_of(twilio_models.CreateStreamBody(**form))
        assert agent.spec == spec.model_copy(update={"target_legs": "self"})

    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_options_for_the_audio_suit_every_dialect(
        self, administration: Administration, dialect: str
    ) -> None:
        options = ["--codec", "PCMU", "--sampling-rate", "8000", "--fill-silence"]
        options += ["--legs", "both", "--track", "both_tracks"]
        ok("agents", "add", "acme", AGENT, *self.GENAGENT, dialect, *options)

        [agent] = administration.agents.all("acme")
        spec = agent.spec
        assert (spec.codec, spec.sample_rate, spec.fill_silence) == ("PCMU", 8000, True)
        assert (spec.target_legs, spec.track) == ("both", "both_tracks")
        assert spec.return_format(PCMU_8K) == PCMU_8K

    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_agent_on_this_machine_needs_no_tls(
        self, administration: Administration, dialect: str
    ) -> None:
        url = "ws://127.0.0.1:7860/ws"
        ok("agents", "add", "acme", url, *self.GENAGENT, dialect)

        [agent] = administration.agents.all("acme")
        assert (agent.spec.url, agent.spec.url_schemes) == (url, ("ws", "wss"))

    def test_every_dialect_of_the_library_can_be_an_agents(self) -> None:
        assert agent_dialects.DIALECTS.keys() == DIALECTS.keys() == {*get_args(DialectName)}

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ([AGENT, "--dialect", "telnyx"], WHOSE),
            ([AGENT, *GENAGENT, "telnyx", "--inbox", "inbox-1"], WHOSE),
            (
                [AGENT, "--route", "genagents", "--dialect", "telnyx"],
                "'genagents' is not a route; there are: autotranscribe, genagent",
            ),
            (
                [AGENT, *GENAGENT, "telnyx", "--auth-token", "s3cret"],
                "--auth-token takes - only: the token is read from standard input",
            ),
            ([AGENT, *GENAGENT, "telnyx", "--auth-token", "-"], "standard input has no auth token"),
            (["-", *GENAGENT, "telnyx"], "standard input has no URL"),
            (
                ["https://a.example/", *GENAGENT, "telnyx"],
                (
                    "stream_url: The URL must begin with ws:// or wss://, name a host and have at "
                    "most 2000 characters"
                ),
            ),
            (
                ["ws://a.example/", *GENAGENT, "signalwire"],
                "Url: The URL must be absolute, wss, and without whitespace",
            ),
            ([AGENT, *GENAGENT, "telnyx", "--name", "x"], f"--name: {TELNYX_STREAMS}"),
            (
                [AGENT, *GENAGENT, "telnyx", "--status-callback", URL],
                f"--status-callback: {TELNYX_STREAMS}",
            ),
            (
                [AGENT, *GENAGENT, "signalwire", "--mode", "mp3"],
                "--mode: only return audio in Telnyx's dialect has modes",
            ),
            (
                [AGENT, *GENAGENT, "twilio", "--auth-token", "-"],
                "--auth-token: Twilio shows no token: a --parameter can hold one",
            ),
            (
                [AGENT, *GENAGENT, "signalwire", "--sampling-rate", "16000"],
                "--sampling-rate: give --codec too: the call's may not have this rate",
            ),
            (
                [AGENT, *GENAGENT, "telnyx", "--codec", "L16", "--sampling-rate", "7"],
                (
                    "stream_bidirectional_sampling_rate: Input should be 8000, 16000, 22050, "
                    "24000 or 48000"
                ),
            ),
            (
                [AGENT, *GENAGENT, "telnyx", "--codec", "OPUS", "--sampling-rate", "48000"],
                "--sampling-rate: OPUS has 8000 or 16000 Hz only",
            ),
            (
                [AGENT, *GENAGENT, "signalwire", "--codec", "G722"],
                "--codec: this dialect has PCMU or L16 only",
            ),
            (
                [AGENT, *GENAGENT, "twilio", "--codec", "L16"],
                "--codec: this dialect has PCMU only",
            ),
            (
                [AGENT, *GENAGENT, "twilio", "--sampling-rate", "16000"],
                "--sampling-rate: PCMU has 8000 Hz only",
            ),
            (
                [f"{AGENT}?key=s3cret", *GENAGENT, "twilio"],
                ("Url: Query strings are not supported; send Parameter1.Name and Parameter1.Value"),
            ),
            (
                ["wss://me:s3cret@a.example/", *GENAGENT, "twilio"],
                "Url: The URL must have no user name and no password",
            ),
            ([AGENT, *GENAGENT, "telnyx", "--parameter", "x"], "--parameter takes NAME=VALUE"),
            (
                [AGENT, *GENAGENT, "telnyx", "--parameter", "x=1", "--parameter", "x=2"],
                "the parameter x is there twice",
            ),
        ],
    )
    def test_bad_value_is_explained(self, arguments: list[str], reason: str) -> None:
        assert refusal("agents", "add", "acme", *arguments, status=2) == reason
        assert ask("agents", "list", "acme") == []

    def test_missing_route_inbox_or_agent_is_reported(self) -> None:
        ok("routes", "remove", "acme", "genagent")

        assert refusal("agents", "add", "acme", AGENT, *self.GENAGENT, "telnyx") == (
            "acme has no route 'genagent': routes add"
        )
        arguments = ["--inbox", "inbox-1", "--dialect", "telnyx"]
        assert refusal("agents", "add", "acme", AGENT, *arguments) == "acme has no inbox 'inbox-1'"

    def test_number_of_agents_is_limited_and_names_are_unique(self) -> None:
        named = [AGENT, *self.GENAGENT, "signalwire", "--name", "main"]
        ok("agents", "add", "acme", *named)
        assert refusal("agents", "add", "acme", *named) == (
            "there is an agent of the name 'main' already"
        )
        for _ in range(MOST_OF_A_ROUTE - 1):
            ok("agents", "add", "acme", AGENT, *self.GENAGENT, "telnyx")
        assert refusal("agents", "add", "acme", AGENT, *self.GENAGENT, "telnyx") == (
            "there are 10 agents already, which is the most"
        )

    def test_status_callback_with_a_password_is_read_and_not_shown(
        self, administration: Administration
    ) -> None:
        url, callback = f"{AGENT}s3cret", "https://me:s3cret@hooks.example/"
        options = [*self.GENAGENT, "twilio", "--status-callback", "-", "--json"]
        added = self.add("-", *options, typed=[url, callback])

        assert added.exit_code == 0
        assert "s3cret" not in added.output
        [agent] = administration.agents.all("acme")
        assert (agent.spec.url, agent.spec.status_callback) == (url, callback)

    def test_terminal_is_asked_for_secrets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []

        def prompt(text: str, **options: Any) -> str:
            asked.append((text, options))
            return AGENT

        monkeypatch.setattr("callstream_cli.operator.standard_input._is_terminal", lambda: True)
        monkeypatch.setattr("typer.prompt", prompt)
        assert self.add("-", *self.GENAGENT, "telnyx").exit_code == 0

        assert asked == [("The URL", {"hide_input": True, "err": True})]

    def test_agents_are_deleted_with_their_inbox_and_their_tenant(
        self, administration: Administration
    ) -> None:
        ok("inboxes", "create", "acme", "inbox-1")
        ok("agents", "add", "acme", AGENT, "--inbox", "inbox-1", "--dialect", "telnyx")
        ok("agents", "add", "acme", AGENT, *self.GENAGENT, "telnyx")
        ok("inboxes", "delete", "acme", "inbox-1", "--yes")
        assert [agent["route"] for agent in ask("agents", "list", "acme")] == ["genagent"]

        ok("tenants", "delete", "acme", "--yes")
        assert administration.agents.all("acme") == []


@pytest.mark.usefixtures("acme")
class TestTranscribingAgents:
    ROUTE = ("--route", "genagent", "--transcribe")
    WITH_ALONE = (
        "--language, --redaction, --word-times, --plain-words, --speakers: with --transcribe"
    )

    def test_add_and_list_a_transcription(self, administration: Administration) -> None:
        options = ["--redaction", "both", "--word-times", "--plain-words"]
        speakers = ["--speakers", "outbound=customer,inbound=agent"]

        added = ask("agents", "add", "acme", *self.ROUTE, *options, *speakers)
        assert added == {
            "agent_id": added["agent_id"],
            "tenant_id": "acme",
            "route": "genagent",
            "inbox": None,
            "dialect": None,
            "url": None,
            "track": "both_tracks",
            "name": None,
            "auth_token_stored": False,
            "parameters": 0,
            "settings": {},
            "transcription": {
                "language": "en-US",
                "redaction": "both",
                "word_times": True,
                "plain_words": True,
                "speakers": {"inbound": "agent", "outbound": "customer"},
            },
            "dialogue": None,
        }
        [agent] = administration.agents.all("acme")
        assert agent.spec.sink == "transcription"
        assert words(ok("agents", "list", "acme"))[1] == (
            f"{added['agent_id']} genagent - transcription en-US both_tracks - none 0"
        )

    def test_calls_of_a_route_have_one_transcription(self) -> None:
        ok("agents", "add", "acme", *self.ROUTE)

        assert refusal("agents", "add", "acme", *self.ROUTE) == (
            "these calls are transcribed already: agents list"
        )

    def test_transcription_that_cannot_work_is_refused_at_once(self) -> None:
        spanish = TranscriptionOptions(language="es-US")

        assert refusal("agents", "add", "acme", *self.ROUTE, "--language", "es-US") == (
            "es-US is not transcribed by Transcriber=offline"
        )
        assert transcription_of(spanish, "amazon").transcription is not None
        with pytest.raises(OperatorError, match="no transcriber: set its parameter Transcriber"):
            transcription_of(TranscriptionOptions(), "none")

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ((*ROUTE, AGENT), "--transcribe goes without URL, and without the options for a URL"),
            (
                (*ROUTE, "--codec", "PCMU"),
                "--transcribe goes without URL, and without the options for a URL",
            ),
            (("--route", "genagent", AGENT, "--dialect", "telnyx", "--word-times"), WITH_ALONE),
            (
                ("--route", "genagent"),
                "give the agent's URL and --dialect, or --transcribe, or --dialogflow",
            ),
            (
                (*ROUTE, "--speakers", "inbound=customer"),
                "--speakers: as inbound=customer,outbound=agent, or the other way round",
            ),
        ],
    )
    def test_options_that_do_not_go_together_are_refused(
        self, options: tuple[str, ...], error: str
    ) -> None:
        assert refusal("agents", "add", "acme", *options, status=2) == error


@pytest.mark.usefixtures("acme")
class TestVirtualAgents:
    ROUTE = ("--route", "genagent", "--dialogflow")

    def store(self, administration: Administration, *connection_ids: str) -> None:
        for connection_id in connection_ids:
            connection = AgentConnection(
                tenant_id="acme", connection_id=connection_id, project_id="calls", key_version="1"
            )
            record = ConnectionRecord("acme", connection_id, connection=connection)
            administration.virtual_agents.write(record, "1")

    def test_agent_talks_over_the_only_connection(self, administration: Administration) -> None:
        self.store(administration, "app-1")

        added = ask("agents", "add", "acme", *self.ROUTE, "--sentiment")
        assert (added["url"], added["track"], added["settings"]) == (None, "inbound_track", {})
        assert added["dialogue"] == {
            "connection": "app-1",
            "sentiment": True,
            "partial_replies": False,
        }
        [agent] = administration.agents.all("acme")
        assert (agent.spec.sink, agent.spec.target_legs) == ("dialogflow", "self")
        assert agent.spec.dialogue == DialogueSettings(
            connection_id="app-1", analyzes_sentiment=True
        )
        assert words(ok("agents", "list", "acme"))[1] == (
            f"{added['agent_id']} genagent - dialogflow app-1 inbound_track - none 0"
        )

    def test_one_of_several_connections_is_named(self, administration: Administration) -> None:
        self.store(administration, "app-1", "app-2")

        unnamed = refusal("agents", "add", "acme", *self.ROUTE, status=2)
        assert unnamed == "--connection: one of app-1, app-2"
        assert refusal("agents", "add", "acme", *self.ROUTE, "--connection", "app-3") == (
            "there is no connection 'app-3', but app-1, app-2"
        )
        added = ask("agents", "add", "acme", *self.ROUTE, "--connection", "app-2")
        assert added["dialogue"]["connection"] == "app-2"
        assert refusal("agents", "add", "acme", *self.ROUTE, "--connection", "app-1") == (
            "an agent of Dialogflow talks on these calls already: agents list"
        )

    def test_agent_that_cannot_talk_is_refused_at_once(self) -> None:
        assert refusal("agents", "add", "acme", *self.ROUTE) == (
            "the tenant has no connection to Dialogflow: connections set"
        )
        with pytest.raises(OperatorError, match="without Dialogflow: set its parameter"):
            dialogue_of(DialogueOptions(), [], is_deployed=False)

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ((*ROUTE, AGENT), "--dialogflow goes without URL, and without the options for a URL"),
            ((*ROUTE, "--track", "both_tracks"), "--track: Dialogflow hears the inbound_track"),
            (
                (*ROUTE, "--transcribe"),
                "--transcribe and --dialogflow are two agents: add them one by one",
            ),
            (
                ("--route", "genagent", "--transcribe", "--sentiment"),
                "--connection, --sentiment, --partial-replies: with --dialogflow",
            ),
        ],
    )
    def test_options_that_do_not_go_together_are_refused(
        self, options: Iterable[str], error: str
    ) -> None:
        assert refusal("agents", "add", "acme", *options, status=2) == error
