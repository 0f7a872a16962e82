"""What `make deploy` uploads."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.template import ROOT


@pytest.mark.parametrize(
    ("parameters", "is_cached", "is_uploaded"),
    [
        ("FrameShards=1 Transcriber=none Transcriber='offline'", True, True),
        ("Transcriber=amazon", False, False),
        ("Transcriber=none FrameShards=1", True, False),
        ("", False, True),  # nobody knows: there are no credentials
    ],
)
def test_speech_layer_is_uploaded_only_if_the_deployment_has_it(
    parameters: str, *, is_cached: bool, is_uploaded: bool, tmp_path: Path
) -> None:
    layer = tmp_path / ".aws-sam" / "build" / "SpeechLayer"
    built = tmp_path / ".aws-sam" / "cache" / "SpeechLayer" if is_cached else layer
    built.mkdir(parents=True)
    (built / "library.so").touch()
    if is_cached:
        layer.parent.mkdir()
        layer.symlink_to(built)
    subprocess.run(
        [sys.executable, ROOT / "scripts" / "leave-out-speech"],
        env={
            "PARAMETERS": parameters,
            "HOME": str(tmp_path),
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        },
        cwd=tmp_path,
        check=True,
    )

    assert layer.is_dir()
    assert (layer / "library.so").exists() == is_uploaded
    if is_cached:
        assert (built / "library.so").exists()
