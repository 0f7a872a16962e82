"""What `make deploy` uploads."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.template import ROOT


@pytest.mark.parametrize(
    ("parameters", "is_cached", "uploaded"),
    [
        (
            "Dialogflow=google Transcriber=none Transcriber='offline'",
            True,
            {"DialogflowLayer", "SpeechLayer"},
        ),
        ('Transcriber=amazon Dialogflow="google"', False, {"DialogflowLayer"}),
        ("Dialogflow=none Transcriber=offline", True, {"SpeechLayer"}),
        ("Transcriber=none FrameShards=1 Dialogflow=none", True, set()),
        # Nobody knows: there are no credentials.
        ("", False, {"DialogflowLayer", "SpeechLayer"}),
    ],
)
def test_large_layers_are_uploaded_only_if_the_deployment_has_them(
    parameters: str, *, is_cached: bool, uploaded: set[str], tmp_path: Path
) -> None:
    build, cache = tmp_path / ".aws-sam" / "build", tmp_path / ".aws-sam" / "cache"
    build.mkdir(parents=True)
    for layer in ("DialogflowLayer", "SpeechLayer"):
        built = (cache if is_cached else build) / layer
        built.mkdir(parents=True)
        (built / "library.so").touch()
        if is_cached:
            (build / layer).symlink_to(built)
    subprocess.run(
        [sys.executable, ROOT / "scripts" / "leave-out-layers"],
        env={
            "PARAMETERS": parameters,
            "HOME": str(tmp_path),
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        },
        cwd=tmp_path,
        check=True,
    )

    assert {library.parent.name for library in build.glob("*/library.so")} == uploaded
    assert all(layer.is_dir() for layer in build.iterdir())
    if is_cached:
        assert len(list(cache.glob("*/library.so"))) == 2


@pytest.mark.parametrize(
    ("parameters", "uploaded"), [("", set()), ("Dialogflow=google", {"DialogflowLayer"})]
)
def test_layers_follow_samconfig_unless_make_names_parameters(
    parameters: str, uploaded: set[str], tmp_path: Path
) -> None:
    script = tmp_path / "scripts" / "leave-out-layers"
    script.parent.mkdir()
    shutil.copy(ROOT / "scripts" / "leave-out-layers", script)
    configuration = (ROOT / "samconfig.toml").read_text()
    heading = "[default.deploy.parameters]\n"
    assert heading in configuration
    overrides = 'parameter_overrides = ["Dialogflow=none", "Transcriber=none"]\n'
    configured = configuration.replace(heading, heading + overrides)
    (tmp_path / "samconfig.toml").write_text(configured)
    build = tmp_path / ".aws-sam" / "build"
    for layer in ("DialogflowLayer", "SpeechLayer"):
        (build / layer).mkdir(parents=True)
        (build / layer / "library.so").touch()

    subprocess.run(
        [sys.executable, script],
        env={"PARAMETERS": parameters and f"{parameters} Transcriber=none"},
        cwd=tmp_path,
        check=True,
    )

    assert {library.parent.name for library in build.glob("*/library.so")} == uploaded
