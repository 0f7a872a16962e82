"""The layers, as they are built."""

from functools import cache
from pathlib import Path

from tests import template
from tests.stack.conftest import DeployedStack

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: unpacked, with the code.
LIMIT = 250 * 2**20


@cache
def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_layers_of_every_function_leave_a_third_of_lambdas_limit(stack: DeployedStack) -> None:
    document, build = template.load(), stack.state_dir / "sam" / "build"
    shared = document["Globals"]["Function"]["Layers"]
    for name, resource in document["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            layers = [*shared, *resource["Properties"].get("Layers", [])]
            folders = [name, *(layer["Ref"] for layer in layers)]
            assert sum(size(build / folder) for folder in folders) < LIMIT * 2 / 3, name
