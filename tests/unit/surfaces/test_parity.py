"""Every surface has all that a surface needs: what is missing fails here, not in a Lambda."""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from callstream.callbacks.vendors import VENDORS
from callstream.dialects import DIALECTS
from callstream.surfaces.pipeline import Operation
from callstream.tenants.credentials import CREDENTIAL_FORMS
from callstream.tenants.directory import SURFACES, Surface
from callstream_cli.local.description import SURFACES as DESCRIBED
from callstream_cli.openapi.__main__ import DOCUMENTS
from tests.template import ROOT

NO_CALLBACKS = {"clerk"}
# Their relays are not asked for by the URL of a consumer.
NO_FORKS = {"asapp", "clerk"}
# The rooms that know vendors: by their APIs, messages and callbacks, and by the registries.
VENDORS_ROOMS = {"surfaces", "dialects", "callbacks", "tenants"}

surfaces = pytest.mark.parametrize("surface", SURFACES)


def module(surface: Surface) -> Any:
    return import_module(f"callstream.surfaces.{surface}")


def operations(surface: Surface) -> list[Operation]:
    files = (ROOT / "layers/callstream/callstream/surfaces").glob(f"{surface}*.py")
    modules = [import_module(f"callstream.surfaces.{path.stem}") for path in files]
    values = [value for each in modules for value in vars(each).values()]
    values += [each for value in values if isinstance(value, dict) for each in value.values()]
    return [value for value in values if isinstance(value, Operation)]


@surfaces
def test_surface_has_a_module_with_a_vendor_surface_of_its_name(surface: Surface) -> None:
    made = getattr(module(surface), f"{surface.capitalize()}Surface")()

    assert made.name == surface
    assert made.failure(Exception(), "request-1").status == 500


@surfaces
def test_surface_has_operations_whose_scopes_its_credentials_have(surface: Surface) -> None:
    found = operations(surface)

    assert found
    assert {each.surface for each in found} == {surface}
    assert {each.scope for each in found} == CREDENTIAL_FORMS[surface].scopes


def test_every_registry_has_every_surface_and_no_other() -> None:
    documented = {document.surface.name for document in DOCUMENTS}
    for registry in (CREDENTIAL_FORMS, VENDORS, documented, DESCRIBED):
        assert set(registry) == set(SURFACES)


@surfaces
def test_surface_has_callbacks_unless_named_here(surface: Surface) -> None:
    vendor: Any = VENDORS[surface]

    assert (vendor is None) == (surface in NO_CALLBACKS)
    if vendor is not None:
        assert vendor is import_module(f"callstream.callbacks.{surface}")
        assert {"urls", "request", "sign", "verification_key"} <= vars(vendor).keys()


@surfaces
def test_surface_that_makes_forks_names_a_dialect_that_is_there(surface: Surface) -> None:
    makes_forks = hasattr(module(surface), "spec_of")

    assert makes_forks == (surface not in NO_FORKS)
    if makes_forks:
        # What makes relays notifies of them.
        assert VENDORS[surface] is not None
        assert surface in DIALECTS


def neutral_modules() -> Iterator[Path]:
    library = ROOT / "layers" / "callstream" / "callstream"
    for path in library.rglob("*.py"):
        if VENDORS_ROOMS.isdisjoint(path.relative_to(library).parts):
            yield path


def test_no_other_room_compares_with_a_surfaces_name_or_reads_a_vendors_field() -> None:
    found = [
        (path.name, node.value)
        for path in neutral_modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if node.value in SURFACES or node.value.startswith(("stream_bidirectional", "x-telnyx"))
    ]

    assert not found
