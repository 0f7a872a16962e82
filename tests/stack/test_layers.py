"""The layers, as they are built."""

from functools import cache
from pathlib import Path
from typing import Any

from tests import template
from tests.stack.conftest import DeployedStack

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: unpacked, with the code.
LIMIT = 250 * 2**20
# It has both the codecs and Google's client, whose versions are pinned.
FULLEST = "DialogflowFunction"


@cache
def size(folder: Path) -> int:
    assert folder.is_dir(), f"{folder.name} is not built"
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def logical_id(layer: dict[str, Any]) -> str:
    """Which layer it is; of two, the one that comes if a condition is met."""
    reference = layer["Fn::If"][1] if "Fn::If" in layer else layer
    return str(reference["Ref"])


def test_layers_of_every_function_leave_some_of_lambdas_limit(stack: DeployedStack) -> None:
    document, build = template.load(), stack.state_dir / "sam" / "build"
    shared = document["Globals"]["Function"]["Layers"]
    for name, resource in document["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            layers = [*shared, *resource["Properties"].get("Layers", [])]
            folders = [name, *(logical_id(layer) for layer in layers)]
            most = LIMIT * (0.95 if name == FULLEST else 2 / 3)
            assert sum(size(build / folder) for folder in folders) < most, name


def test_speech_layer_has_the_engine_and_its_model_and_nothing_else(stack: DeployedStack) -> None:
    layer = stack.state_dir / "sam" / "build" / "SpeechLayer" / "python"
    files = {path.relative_to(layer) for path in layer.rglob("*") if path.is_file()}

    assert {path.name.partition("-")[0] for path in files if "dist-info" not in str(path)} == {
        "libmoonshine.so",
        "libonnxruntime",
        "encoder_model.ort",
        "decoder_model_merged.ort",
        "tokenizer.bin",
    }
