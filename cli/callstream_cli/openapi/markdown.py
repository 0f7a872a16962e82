"""From an OpenAPI document to a page for people, in Markdown: it is read where the code is."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from callstream.surfaces.bodies import JSON
from callstream_cli.openapi.generate import LEFT_OUT, Schema, answer_of, operations_of


def render(document: Schema, source: str) -> str:
    """Make a surface's page; `source` is the name of the document's file."""
    return "\n".join(_Page(document, source).lines()) + "\n"


class _Page:
    def __init__(self, document: Schema, source: str) -> None:
        self._document = document
        self._source = source
        self._schemas: dict[str, Schema] = document["components"]["schemas"]

    def lines(self) -> Iterator[str]:
        info = self._document["info"]
        yield "<!-- Made by `make openapi`. -->"
        yield ""
        yield f"# {info['title']}"
        yield ""
        yield info["description"]
        yield ""
        yield f"For programs: [{self._source}]({self._source}), OpenAPI 3.1."
        yield ""
        yield from self._authentication()
        for path, part in self._document["paths"].items():
            for method, operation in operations_of(part):
                yield ""
                yield f"## {operation['summary']}"
                yield ""
                yield f"`{method.upper()} {path}`"
                yield ""
                yield operation["description"]
                yield from self._parameters(part.get("parameters", []))
                if "requestBody" in operation:
                    yield from self._body(operation["requestBody"])
                yield from self._answer(operation)
        yield ""
        yield from self._errors()

    def _authentication(self) -> Iterator[str]:
        schemes = self._document["components"]["securitySchemes"].values()
        ways = [
            f"the header `{scheme['name']}`"
            if scheme["type"] == "apiKey"
            else f"`Authorization: {scheme['scheme'].title()} …`"
            for scheme in schemes
        ]
        yield f"Authentication: {' and '.join(ways)}."

    def _parameters(self, parameters: list[Schema]) -> Iterator[str]:
        if parameters:
            yield ""
            yield from _table(
                ["in the path", "is"],
                ([f"`{each['name']}`", each["description"]] for each in parameters),
            )

    def _body(self, body: Schema) -> Iterator[str]:
        [(content_type, content)] = body["content"].items()
        yield ""
        yield f"### Body: `{content_type}`" + ("" if body["required"] else ", may be left out")
        yield ""
        yield from _table(
            ["field", "type", "default", "is"], self._fields(content["schema"], with_defaults=True)
        )
        yield ""
        yield from _code(content["example"])

    def _answer(self, operation: Schema) -> Iterator[str]:
        status, answer = answer_of(operation)
        content = answer.get("content", {}).get(JSON)
        yield ""
        yield f"### Answer: {status}" + ("" if content else ", without a body")
        if content:
            yield ""
            yield from _table(["field", "type", "is"], self._fields(content["schema"]))
        yield from _headers(answer)
        if content:
            yield ""
            yield from _code(content["example"])
        yield ""
        errors = [each for each in operation["responses"] if each != status]
        yield f"Errors: {', '.join(f'[{status}](#errors)' for status in errors)}."

    def _errors(self) -> Iterator[str]:
        yield "## Errors"
        yield ""
        responses = self._document["components"]["responses"]
        yield from _table(
            ["field", "type", "is"],
            self._fields(next(iter(responses.values()))["content"][JSON]["schema"]),
        )
        headers = {name: each for part in responses.values() for name, each in _of(part).items()}
        yield from _headers({"headers": headers})
        yield ""
        yield from _table(
            ["status", "when", "body"],
            (
                [f"{status} {response['description']}", each["summary"], _inline(each["value"])]
                for status, response in responses.items()
                for each in response["content"][JSON]["examples"].values()
            ),
        )

    def _fields(
        self, schema: Schema, prefix: str = "", *, with_defaults: bool = False
    ) -> Iterator[Sequence[str]]:
        """The rows of a schema's fields, those of fields that are objects after their own."""
        schema = self._resolve(schema)
        for name, given in (schema["properties"] | schema.get("patternProperties", {})).items():
            each = self._resolve(given)
            kind, inner, suffix = _type(each), *self._inner(each)
            if not with_defaults:
                yield [f"`{prefix}{name}`", kind, given.get("description", "")]
            else:
                if name in schema.get("required", []):
                    kind += ", required"
                default = given.get("default")
                # The defaults of an object are those of its fields.
                shown = "" if inner or default is None else _inline(default)
                yield [f"`{prefix}{name}`", kind, shown, given.get("description", "")]
            if inner:
                fields = f"{prefix}{name}{suffix}."
                yield from self._fields(inner, fields, with_defaults=with_defaults)

    def _inner(self, schema: Schema) -> tuple[Schema | None, str]:
        """The object that a field is or holds, and how its fields' names go on."""
        for way, suffix in (("items", "[]"), ("additionalProperties", ".*")):
            if isinstance(schema.get(way), dict):
                inner = self._resolve(schema[way])
                return (inner, suffix) if "properties" in inner else (None, "")
        return (schema, "") if "properties" in schema else (None, "")

    def _resolve(self, schema: Schema) -> Schema:
        """The schema itself, behind a reference and beside what says that it may be left out."""
        if "anyOf" in schema and "properties" not in schema:
            [schema] = [each for each in schema["anyOf"] if each not in LEFT_OUT]
        if "$ref" in schema:
            return self._schemas[schema["$ref"].rpartition("/")[2]]
        return schema


def _type(schema: Schema) -> str:
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    kind: str = schema["type"]
    shortest = schema.get("minLength", schema.get("minItems"))
    longest = schema.get("maxLength", schema.get("maxItems"))
    if longest is None:
        return kind
    return f"{kind}, {shortest} to {longest}" if shortest else f"{kind}, up to {longest}"


def _of(response: Schema) -> dict[str, Schema]:
    headers: dict[str, Schema] = response.get("headers", {})
    return headers


def _headers(response: Schema) -> Iterator[str]:
    if _of(response):
        yield ""
        yield from _table(
            ["header", "is"],
            ([f"`{name}`", header["description"]] for name, header in _of(response).items()),
        )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '\\|') for cell in row)} |"


def _code(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    yield "```json"
    yield json.dumps(value, indent=2, ensure_ascii=False)
    yield "```"


def _inline(value: Any) -> str:  # noqa: ANN401 - JSON
    return f"`{json.dumps(value, ensure_ascii=False)}`"
