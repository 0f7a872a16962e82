"""The agents' commands."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from typer.testing import Result

from callstream.relays.agents import MOST_OF_A_ROUTE
from callstream.surfaces import signalwire, signalwire_models, telnyx, telnyx_models
from callstream_cli.operator.administration import Administration
from tests.unit.cli.commands import ask, ok, refusal, run
from tests.unit.cli.operator.deployed import (
    AGENT,
    URL,
)


@pytest.mark.usefixtures("acme")
class TestAgents:
    GENAGENT = ("--route", "genagent", "--dialect")
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
            "settings": {
                "stream_codec": "default",
                "stream_bidirectional_mode": "rtp",
                "stream_bidirectional_target_legs": "self",
                "enable_dialogflow": False,
            },
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
            stream_bidirectional_mode="mp3",
            stream_bidirectional_codec="L16",
            stream_bidirectional_sampling_rate=16000,
            stream_bidirectional_target_legs="both",
        )
        assert agent.spec == telnyx.spec_of(body)

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
            (
                [AGENT, *GENAGENT, "telnyx", "--name", "x"],
                "--name is for --dialect signalwire alone",
            ),
            (
                [AGENT, *GENAGENT, "signalwire", "--legs", "both"],
                "--legs is for --dialect telnyx alone",
            ),
            (
                [AGENT, *GENAGENT, "telnyx", "--sampling-rate", "7"],
                (
                    "stream_bidirectional_sampling_rate: Input should be 8000, 16000, 22050, "
                    "24000 or 48000"
                ),
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
