"""Every composition root can be imported: most of them run on the deployed stack alone."""

from importlib import import_module

import pytest

from tests.template import ROOT

WIRING = ROOT / "layers" / "callstream" / "callstream" / "wiring"


@pytest.mark.parametrize("name", sorted(path.stem for path in WIRING.glob("[a-z]*.py")))
def test_module_can_be_imported(name: str) -> None:
    assert import_module(f"callstream.wiring.{name}").__doc__
