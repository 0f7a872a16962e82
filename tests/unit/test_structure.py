"""Rules of the house: which way dependencies point, and what the per-frame function may import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests import template
from tests.template import ROOT

LIBRARY = ROOT / "layers" / "callstream" / "callstream"
# Import-linter keeps the floors (pyproject.toml). Of the core, this asks what no floor can say.
OUTSIDE = {"adapters", "wiring", "reading.py"}
CORE = [path for path in LIBRARY.rglob("*.py") if OUTSIDE.isdisjoint(path.parts)]

# Each is in a layer of its own, for the functions that have it.
LAYERED = {
    "G722": "SocketsLayer",
    "audioop": "SocketsLayer",
    "av": "CodecsLayer",
    "cryptography": "SigningLayer",
    "google": "DialogflowLayer",
    "grpc": "DialogflowLayer",
    "websockets": "SocketsLayer",
}
FUNCTIONS = {
    properties["CodeUri"].removeprefix("functions/"): properties
    for resource in template.load()["Resources"].values()
    if resource["Type"] == "AWS::Serverless::Function"
    for properties in [resource["Properties"]]
}

# Modules without a test module at the mirrored path, with the tests that cover them.
COVERED_ELSEWHERE = {
    "wiring/placement.py": "tests/replay/test_replay.py",
    "adapters/aws/_clients.py": "tests/unit/adapters/aws/test_secrets_manager.py",
    "adapters/aws/callback_queues.py": "tests/stack/test_callbacks.py",
    "adapters/aws/lambda_starter.py": "tests/replay/test_replay.py",
    "adapters/clock.py": "tests/replay/test_replay.py",
    "adapters/network/connecting.py": "tests/stack/test_dialling.py",
    "adapters/speech/moonshine.py": "tests/unit/adapters/speech/test_engine.py",
    "adapters/speech/worker.py": "tests/unit/adapters/speech/test_engine.py",
    "adapters/google/dialogflow.py": "tests/stack/test_dialogflow_client.py",
    "adapters/google/participants.py": "tests/stack/test_dialogflow_client.py",
    "adapters/google/questions.py": "tests/unit/adapters/google/test_participant_messages.py",
    "adapters/google/sessions.py": "tests/stack/test_dialogflow_client.py",
    "adapters/network/dns.py": "tests/stack/test_dialling.py",
    "adapters/network/websockets.py": "tests/stack/test_dialling.py",
    "transcription/engine.py": "tests/unit/transcription/test_engines.py",
    "transcription/text/draft.py": "tests/unit/transcription/text/test_line.py",
    "transcription/text/number_words.py": "tests/unit/transcription/text/test_redaction.py",
    "transcription/text/numbers.py": "tests/unit/transcription/text/test_redaction.py",
    "transcription/text/placeholders.py": "tests/unit/transcription/text/test_line.py",
    "transcription/model.py": "tests/unit/relays/test_model.py",
    "audio/codecs/amr_wb.py": "tests/unit/audio/test_codecs.py",
    "audio/codecs/codec.py": "tests/unit/audio/test_codecs.py",
    "audio/codecs/ffmpeg.py": "tests/unit/audio/test_codecs.py",
    "audio/codecs/g722.py": "tests/unit/audio/test_codecs.py",
    "audio/codecs/opus.py": "tests/unit/audio/test_codecs.py",
    "audio/codecs/pcm.py": "tests/unit/audio/test_conversion.py",
    "callbacks/forms.py": "tests/unit/callbacks/test_signalwire.py",
    "callbacks/handshakes.py": "tests/unit/callbacks/test_twilio.py",
    "callbacks/vendors.py": "tests/unit/surfaces/test_parity.py",
    "calls/stream_requests.py": "tests/unit/calls/test_store.py",
    "tenants/keys.py": "tests/unit/tenants/test_running_limits.py",
    "wiring/limits.py": "tests/replay/test_replay.py",
    "dialogues/model.py": "tests/unit/relays/test_model.py",
    "dialogues/reporting.py": "tests/unit/relays/test_model.py",
    "dialogues/virtual_agent.py": "tests/unit/relays/test_model.py",
    "dialects/__init__.py": "tests/unit/dialects/test_dialects.py",
    "dialects/_camel.py": "tests/unit/dialects/test_dialects.py",
    "dialects/_returns.py": "tests/unit/dialects/test_dialects.py",
    "dialects/_wire.py": "tests/unit/dialects/test_fuzz.py",
    "dialects/clients.py": "tests/unit/frames/test_client_messages.py",
    "dialects/events.py": "tests/unit/test_golden.py",
    "dialects/shapes.py": "tests/unit/dialects/test_fuzz.py",
    "dialects/signalwire.py": "tests/unit/dialects/test_dialects.py",
    "dialects/telnyx.py": "tests/unit/dialects/test_dialects.py",
    "dialects/twilio.py": "tests/unit/dialects/test_dialects.py",
    "errors.py": "tests/replay/test_replay.py",
    "identity.py": "tests/unit/access/test_websocket_events.py",
    "ports.py": "tests/unit/adapters/aws/test_dynamodb.py",
    "relays/agent_claims.py": "tests/unit/relays/test_agents.py",
    "relays/ports.py": "tests/unit/relays/test_run.py",
    "relays/requests.py": "tests/unit/relays/test_store.py",
    "relays/sinks/conversation_client.py": "tests/unit/relays/sinks/test_conversing.py",
    "relays/sinks/conversation.py": "tests/unit/surfaces/test_asapp_conversation.py",
    "relays/sinks/piece_reader.py": "tests/unit/relays/sinks/test_return_queue.py",
    "relays/sinks/posting.py": "tests/unit/relays/sinks/test_return_path.py",
    "relays/sinks/refusals.py": "tests/unit/relays/sinks/test_return_path.py",
    "relays/sinks/sink.py": "tests/unit/relays/sinks/test_websocket.py",
    "relays/timings.py": "tests/unit/relays/test_run.py",
    "surfaces/asapp_models.py": "tests/unit/surfaces/test_asapp.py",
    "surfaces/clients.py": "tests/replay/test_replay.py",
    "surfaces/call_streams.py": "tests/unit/surfaces/test_signalwire.py",
    "surfaces/call_streams_models.py": "tests/unit/surfaces/test_signalwire.py",
    "surfaces/signalwire_models.py": "tests/unit/surfaces/test_signalwire.py",
    "surfaces/telnyx_failures.py": "tests/unit/surfaces/test_telnyx.py",
    "surfaces/telnyx_dialogflow_models.py": "tests/unit/surfaces/test_telnyx_dialogflow.py",
    "surfaces/telnyx_models.py": "tests/unit/surfaces/test_telnyx.py",
    "surfaces/twilio_models.py": "tests/unit/surfaces/test_twilio.py",
    "tenants/deleted_ids.py": "tests/unit/cli/operator/test_tenants.py",
    "tenants/directory.py": "tests/unit/cli/operator/test_tenants.py",
    "tenants/issuing.py": "tests/unit/tenants/test_credentials.py",
    "wiring/agents.py": "tests/replay/test_replay.py",
    "wiring/clients.py": "tests/replay/test_replay.py",
    "wiring/callbacks.py": "tests/replay/test_replay.py",
    "wiring/connections.py": "tests/replay/test_replay.py",
    "wiring/dialogue_commands.py": "tests/replay/test_replay.py",
    "wiring/dialogues.py": "tests/replay/test_replay.py",
    "wiring/endpoints.py": "tests/replay/test_replay.py",
    "wiring/media.py": "tests/replay/test_replay.py",
    "wiring/notifier.py": "tests/replay/test_replay.py",
    "relays/sinks/dialogue_recovery.py": "tests/unit/relays/sinks/test_dialogue.py",
    "relays/sinks/dialogue_session.py": "tests/unit/relays/sinks/test_dialogue.py",
    "relays/sinks/dialogue_snapshot.py": "tests/unit/relays/sinks/test_dialogue.py",
    "relays/sinks/dialogue_turn.py": "tests/unit/relays/sinks/test_dialogue.py",
    "relays/sinks/dialogue_turns.py": "tests/unit/relays/sinks/test_dialogue.py",
    "relays/sinks/dialogue_voice.py": "tests/unit/relays/sinks/test_dialogue.py",
    "relays/sinks/incoming_audio.py": "tests/unit/relays/sinks/test_transcription.py",
    "relays/sinks/transcript_lines.py": "tests/unit/relays/sinks/test_transcription.py",
    "relays/sinks/line_maker.py": "tests/unit/relays/sinks/test_transcription.py",
    "relays/sinks/recognition.py": "tests/unit/relays/sinks/test_transcription.py",
    "transcription/kept_audio.py": "tests/unit/transcription/test_recogniser.py",
    "wiring/relay_runs.py": "tests/stack/test_forks.py",
    "wiring/relays.py": "tests/stack/test_forks.py",
    "wiring/state.py": "tests/replay/test_replay.py",
    "wiring/transcription_commands.py": "tests/replay/test_replay.py",
}

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
NOT_IN_THE_CORE = {"boto3", "botocore", "os", "time", "socket", "random"}
# Each of them costs more to import than the frame costs to decode for a minute.
NOT_PER_FRAME = {"aws_lambda_powertools", "boto3", "botocore", "jwt", "pydantic", "uuid"}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            # What is imported from a package may be a module.
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(LIBRARY)))
def test_the_core_knows_no_aws_no_environment_and_no_clock(path: Path) -> None:
    assert not {module.partition(".")[0] for module in imported(path)} & NOT_IN_THE_CORE


def reached(path: Path) -> set[str]:
    """All modules that are imported with a module, directly or not."""
    found: set[str] = set()
    waiting = [path]
    while waiting:
        for module in imported(waiting.pop()) - found:
            found.add(module)
            file = LIBRARY.parent / module.replace(".", "/")
            candidates = (file.with_suffix(".py"), file / "__init__.py")
            waiting += [each for each in candidates if each.is_file()]
    return {module.partition(".")[0] for module in found}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_imports_nothing_of_a_layer_that_it_has_not(function: str) -> None:
    layers = str(FUNCTIONS[function].get("Layers", ()))
    needs = {
        LAYERED[each] for each in reached(ROOT / "functions" / function / "app.py") & {*LAYERED}
    }

    assert all(layer in layers for layer in needs)


def test_functions_that_convert_audio_have_the_layers_of_all_codecs_and_no_others_do() -> None:
    # Codecs are imported by their names, which `reached` does not follow.
    codecs = (LIBRARY / "audio" / "codecs").glob("*.py")
    needs = {LAYERED[each] for path in codecs for each in reached(path) & {*LAYERED}}

    assert needs == {"CodecsLayer", "SocketsLayer"}
    convert = {"dialogflow", "relay", "transcription"}
    assert all(layer in str(FUNCTIONS[each]["Layers"]) for each in convert for layer in needs)
    others = FUNCTIONS.keys() - convert
    assert not any("CodecsLayer" in str(FUNCTIONS[each].get("Layers")) for each in others)


def test_the_per_frame_function_imports_little() -> None:
    script = (
        "import sys; import msgspec; base = set(sys.modules); import app; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - base})"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={
            "PYTHONPATH": f"{LIBRARY.parent}:{ROOT / 'functions' / 'media_frame'}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "CALLSTREAM_FRAMES_STREAM": "frames",
            "CALLSTREAM_OVERFLOW_QUEUE_URL": "https://queue",
        },
        capture_output=True,
        text=True,
        check=True,
    )

    assert "callstream" in result.stdout.split()
    assert not set(result.stdout.split()) & NOT_PER_FRAME


def is_more_than_a_docstring(path: Path) -> bool:
    return len(ast.parse(path.read_text()).body) > 1


def test_every_module_of_the_library_has_its_tests() -> None:
    without = {
        str(path.relative_to(LIBRARY))
        for path in LIBRARY.rglob("*.py")
        for room in [path.relative_to(LIBRARY).parent]
        if is_more_than_a_docstring(path)
        and not (ROOT / "tests" / "unit" / room / f"test_{path.stem}.py").is_file()
    }

    # The list has no module that has a test module of its own, or that is gone.
    assert without == COVERED_ELSEWHERE.keys()
    assert all((ROOT / tests).is_file() for tests in COVERED_ELSEWHERE.values())


MOST_LINES = 350
MOST_METHODS = 15


@pytest.mark.parametrize(
    "path", [*LIBRARY.rglob("*.py")], ids=lambda path: str(path.relative_to(LIBRARY))
)
def test_modules_are_short_and_a_comment_says_why_a_class_has_many_methods(path: Path) -> None:
    text = path.read_text()
    lines = text.splitlines()
    assert len(lines) <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.ClassDef):
            continue
        methods = [each for each in node.body if isinstance(each, DEFINITIONS)]
        if len(methods) > MOST_METHODS:
            before = lines[node.lineno : methods[0].lineno]
            assert any("methods" in line and str(len(methods)) in line for line in before), (
                node.name
            )


def test_no_two_stack_tests_use_the_same_call() -> None:
    """Tests of one worker share a stack, where a call that has ended takes no more commands."""
    users: dict[str, set[str]] = {}
    for path in (ROOT / "tests" / "stack").glob("test_*.py"):
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, DEFINITIONS) or not node.name.startswith("test_"):
                continue
            for part in ast.walk(node):
                value = part.value if isinstance(part, ast.Constant) else None
                if isinstance(value, str) and value.startswith("CA-"):
                    users.setdefault(value, set()).add(f"{path.name}::{node.name}")
    assert len(users) > 20
    assert not {call: tests for call, tests in users.items() if len(tests) > 1 and call != "CA-"}
