"""What `make deploy` uploads."""

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
