"""The documents in docs/openapi: what the code gives, complete, and of the right form."""

from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from callstream.surfaces.pipeline import Operation
from callstream.tenants.directory import SURFACES
from callstream_cli.openapi.__main__ import DOCUMENTS, FOLDER, files
from callstream_cli.openapi.document import Document
from callstream_cli.openapi.generate import answer_of, generate, operations_of
from tests import template

OPERATIONS = [each.operation for document in DOCUMENTS for each in document.operations]
documents = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.surface.name)


def test_they_are_what_the_code_gives() -> None:
    wanted = dict(files())

    assert set(FOLDER.iterdir()) == set(wanted)
    for path, text in wanted.items():
        assert path.read_text() == text, f"{path.name} is old: `make openapi`"


@documents
def test_they_are_openapi(document: Document) -> None:
    OpenAPIV31SpecValidator(generate(document)).validate()


def test_every_surface_has_one() -> None:
    assert {document.surface.name for document in DOCUMENTS} == set(SURFACES)


def routes() -> list[tuple[str, str, str, str]]:
    """Surface, function, method and path of every REST route of the template."""
    return [
        (
            event["Properties"]["RestApiId"]["Ref"].removesuffix("Api").lower(),
            resource["Properties"]["CodeUri"].removeprefix("functions/"),
            event["Properties"]["Method"],
            event["Properties"]["Path"],
        )
        for resource in template.load()["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
        for event in resource["Properties"].get("Events", {}).values()
        if event["Type"] == "Api"
    ]


def test_every_route_is_one_operation_and_the_reverse() -> None:
    described = [
        (operation.surface, operation.name, operation.method, path)
        for operation in OPERATIONS
        for path in (operation.path, *operation.also_at)
    ]

    assert sorted(described) == sorted(routes())


@documents
def test_words_are_about_all_that_there_is_and_nothing_else(document: Document) -> None:
    fields = {
        (name, field)
        for name, schema in generate(document)["components"]["schemas"].items()
        for field in schema["properties"] | schema.get("patternProperties", {})
    }
    described = {(name, field) for name, words in document.words.items() for field in words}

    assert described == fields


def validate(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """Check a value against a schema of a document."""
    whole = {**schema, "components": document["components"]}
    OAS31Validator(whole).validate(value)


@documents
def test_examples_fit_their_schemas(document: Document) -> None:
    openapi = generate(document)
    contents = [
        content
        for response in openapi["components"]["responses"].values()
        for content in response["content"].values()
    ]
    for path in openapi["paths"].values():
        for _, operation in operations_of(path):
            _, answer = answer_of(operation)
            contents += answer.get("content", {}).values()
            contents += operation.get("requestBody", {"content": {}})["content"].values()

    for content in contents:
        examples = [each["value"] for each in content.get("examples", {}).values()]
        for example in examples or [content["example"]]:
            validate(openapi, content["schema"], example)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_every_failure_has_an_example(operation: Operation) -> None:
    [document] = [each for each in DOCUMENTS if each.surface.name == operation.surface]
    responses = generate(document)["components"]["responses"]

    for status in operation.failures:
        examples = responses[str(status)]["content"]["application/json"]["examples"]
        assert examples, f"nothing says when {status} comes"


def test_every_failure_of_a_surface_is_one_of_its_operations() -> None:
    for document in DOCUMENTS:
        documented = {status for each in document.operations for status in each.operation.failures}
        answered = {document.surface.failure(each.error, "").status for each in document.failures}
        assert answered == documented
