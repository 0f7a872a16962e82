"""The hooks before a commit run what `make check` runs, and download nothing."""

import re
import shlex

import yaml

from tests.template import ROOT


def test_hooks_run_the_commands_of_make_check() -> None:
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = [shlex.split(hook["entry"].removeprefix("env ")) for hook in repository["hooks"]]
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    commands = recipe[1].replace("$(SAM)", ".local/tools/sam/bin/sam").splitlines()

    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    # A hook gets the names of changed files; with --force-exclude ruff passes over generated ones.
    assert [[word for word in hook if word != "--force-exclude"] for hook in hooks] == [
        shlex.split(command) for command in commands
    ]
