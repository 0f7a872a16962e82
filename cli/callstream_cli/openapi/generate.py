"""From models and words to an OpenAPI 3.1 document."""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from callstream.errors import Invalid
from callstream.surfaces.bodies import FORM, JSON, validate
from callstream.surfaces.pipeline import Operation
from callstream_cli.openapi.document import Described, Document

type Schema = dict[str, Any]
"""A JSON schema, or any other part of a document."""

# As in the vendors' own examples.
_REQUEST_ID: Final = "8e033668-9f1a-11ec-b909-0242ac120002"
_REF: Final = "#/components/schemas/{model}"
_NULL: Final[Schema] = {"type": "null"}
_BLANK: Final[Schema] = {"const": ""}
# What stands beside the type of a field that may be left out.
LEFT_OUT: Final = (_NULL, _BLANK)


def generate(document: Document) -> Schema:
    """Make a surface's OpenAPI document."""
    surface = document.surface.name
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Callstream: {document.title}",
            "version": version("callstream"),
            "description": document.description,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": _servers(surface),
        "security": [{name: [] for name in document.security}],
        "paths": _paths(document),
        "components": {
            "securitySchemes": dict(document.security),
            "schemas": _schemas(document),
            "responses": {
                str(status): _failure(document, HTTPStatus(status))
                for status in _statuses(document)
            },
        },
    }


def _paths(document: Document) -> Schema:
    paths: Schema = {}
    for each in document.operations:
        operation = each.operation
        path = paths.setdefault(operation.path, _parameters(document, operation))
        path[operation.method.lower()] = _operation(document, each)
    return paths


def _servers(surface: str) -> list[Schema]:
    api = {"default": "api-id", "description": "Of this deployment; its outputs say it"}
    return [
        {
            "url": f"https://{{api}}.execute-api.{{region}}.amazonaws.com/{surface}",
            "description": "On AWS",
            "variables": {"api": api, "region": {"default": "us-east-1"}},
        },
        {
            "url": f"http://127.0.0.1:{{port}}/_aws/execute-api/{{api}}/{surface}",
            "description": "The local stack; .local/stack.json says it",
            "variables": {"api": api, "port": {"default": "4566"}},
        },
    ]


def _statuses(document: Document) -> list[int]:
    return sorted({status for each in document.operations for status in each.operation.failures})


def _parameters(document: Document, operation: Operation) -> Schema:
    names = re.findall(r"{(\w+)}", operation.path)
    if not names:
        return {}
    return {
        "parameters": [
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": document.parameters[name].description,
                "schema": {"type": "string"},
                "example": document.parameters[name].example,
            }
            for name in names
        ]
    }


def _operation(document: Document, described: Described) -> Schema:
    operation = described.operation
    description = described.description
    if operation.also_at:
        description += "\n\nAlso at " + ", ".join(f"`{path}`" for path in operation.also_at) + "."
    answer: Schema = {"description": "It is done."}
    if operation.answer is not None:
        content = {"schema": _reference(operation.answer), "example": dict(described.answer or {})}
        answer["content"] = {JSON: content}
    parts: Schema = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": description,
    }
    if operation.body is not None:
        parts["requestBody"] = {
            "required": operation.body_required or not _may_be_empty(operation.body),
            "content": {
                FORM if operation.encoding == "form" else JSON: {
                    "schema": _reference(operation.body),
                    "example": described.body,
                }
            },
        }
    status = HTTPStatus(operation.status)
    parts["responses"] = {str(int(status)): answer | _headers(document, status)} | {
        str(status): {"$ref": f"#/components/responses/{status}"}
        for status in sorted(operation.failures)
    }
    return parts


def _may_be_empty(model: type[BaseModel]) -> bool:
    try:
        validate(model, {}, strict=True)
    except Invalid:
        return False
    return True


def _failure(document: Document, status: HTTPStatus) -> Schema:
    """All answers of one status: the surface's own, to the errors that have it."""
    examples: dict[str, Schema] = {}
    for failure in document.failures:
        response = document.surface.failure(failure.error, _REQUEST_ID)
        if response.status == status:
            name = f"{type(failure.error).__name__}{len(examples) + 1}"
            examples[name] = {"summary": failure.when, "value": response.body}
    return {
        "description": status.phrase,
        **_headers(document, status),
        "content": {JSON: {"schema": _reference(document.error), "examples": examples}},
    }


def _headers(document: Document, status: HTTPStatus) -> Schema:
    headers = {
        name: {"description": header.description, "schema": dict(header.schema)}
        for name, header in document.headers.items()
        if status in header.statuses
    }
    return {"headers": headers} if headers else {}


def _reference(model: type[BaseModel]) -> Schema:
    return {"$ref": _REF.format(model=model.__name__)}


def _models(document: Document) -> Iterator[tuple[type[BaseModel], JsonSchemaMode]]:
    for each in document.operations:
        if each.operation.body is not None:
            yield each.operation.body, "validation"
        # An answer has every field, those with defaults too.
        if each.operation.answer is not None:
            yield each.operation.answer, "serialization"
    # An error has not: what does not apply may be left out.
    yield document.error, "validation"


def _schemas(document: Document) -> dict[str, Schema]:
    models = list(dict.fromkeys(_models(document)))
    _, definitions = models_json_schema(models, by_alias=True, ref_template=_REF)
    schemas: dict[str, Schema] = _without_titles(definitions["$defs"])
    forms = {each.__name__ for each in _forms(document)}
    for name, schema in schemas.items():
        if name in forms:
            schema["properties"] = _form_fields(schema)
        # The first paragraph is about the thing; what follows is for who works on the code.
        schema["description"] = schema["description"].partition("\n\n")[0]
        fields = schema["properties"] | schema.get("patternProperties", {})
        for field, text in document.words.get(name, {}).items():
            fields[field]["description"] = text
    return dict(sorted(schemas.items()))


def _forms(document: Document) -> Iterator[type[BaseModel]]:
    for each in document.operations:
        if each.operation.body is not None and each.operation.encoding == "form":
            yield each.operation.body


def _form_fields(schema: Schema) -> dict[str, Schema]:
    """The fields of a form: none can be null, and one that is empty counts as left out."""
    fields = {}
    for name, field in schema["properties"].items():
        if name in schema["required"]:
            fields[name] = field
            continue
        [choice] = [each for each in field.pop("anyOf", [{}]) if each != _NULL]
        default = {"default": value} if (value := field.pop("default")) is not None else {}
        fields[name] = {"anyOf": [choice | field, _BLANK], **default}
    return fields


def _without_titles(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """Drop pydantic's titles, which repeat the names."""
    match schema:
        case dict():
            return {
                name: _without_titles(part)
                for name, part in schema.items()
                if not (name == "title" and isinstance(part, str))
            }
        case list():
            return [_without_titles(part) for part in schema]
    return schema


def operations_of(part: Mapping[str, Any]) -> Iterator[tuple[str, Schema]]:
    """The methods and operations of a path."""
    return ((method, each) for method, each in part.items() if method != "parameters")


def answer_of(operation: Schema) -> tuple[str, Schema]:
    """The status and the answer of an operation that is carried out."""
    [status] = [each for each in operation["responses"] if each.startswith("2")]
    return status, operation["responses"][status]
