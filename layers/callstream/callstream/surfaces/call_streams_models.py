"""The forms and answers that the streams of Twilio and SignalWire share (`call_streams.py`)."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_pascal
from pydantic_core import PydanticCustomError

from callstream.dialects.events import Tracks
from callstream.surfaces.urls import MAX_LENGTH, check_url

API_VERSION: Final = "2010-04-01"

_MAX_PARAMETERS: Final = 99
_PARAMETER: Final = re.compile(r"Parameter[1-9][0-9]?\.(Name|Value)")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def _check_stream_url(url: str) -> str:
    return check_url(url, {"wss"}, "The URL must be absolute, wss, and without whitespace")


def _check_callback_url(url: str) -> str:
    return check_url(url, {"http", "https"}, "The URL must be absolute, and http or https")


def _check_name(name: str) -> str:
    if _CONTROL.search(name):
        raise PydanticCustomError("value_error", "A name has no control characters")
    return name


class StreamForm(BaseModel):
    """A form of which empty fields were not filled in."""

    model_config = ConfigDict(alias_generator=to_pascal, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _check_texts(cls, form: dict[str, str]) -> dict[str, str]:
        if any("\0" in text for field in form.items() for text in field):
            raise PydanticCustomError("value_error", "The body holds a NUL")
        known = {field.alias for field in cls.model_fields.values()}
        return {name: value for name, value in form.items() if value or name not in known}


class NewStreamForm(StreamForm):
    """What both vendors document for a new stream.

    `url` and `parameters` may hold secrets: never log them.
    """

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "additionalProperties": False,
            "patternProperties": {f"^{_PARAMETER.pattern}$": {"type": "string"}},
        },
    )
    __pydantic_extra__: dict[str, str]

    url: Annotated[
        str,
        AfterValidator(_check_stream_url),
        Field(json_schema_extra={"pattern": r"^[Ww][Ss]{2}://[^\s#]+$", "maxLength": MAX_LENGTH}),
    ]
    # In UTF-8 it must still fit into a DynamoDB key.
    name: (
        Annotated[
            str,
            Field(max_length=200, json_schema_extra={"pattern": r"^[^\x00-\x1f\x7f]+$"}),
            AfterValidator(_check_name),
        ]
        | None
    ) = None
    track: Tracks
    status_callback: (
        Annotated[
            str,
            AfterValidator(_check_callback_url),
            Field(
                json_schema_extra={
                    "pattern": r"^[Hh][Tt]{2}[Pp][Ss]?://\S+$",
                    "maxLength": MAX_LENGTH,
                }
            ),
        ]
        | None
    ) = None
    status_callback_method: Literal["GET", "POST"] = "POST"

    @model_validator(mode="after")
    def _check_parameters(self) -> Self:
        fields = self.__pydantic_extra__
        for field in fields:
            if not _PARAMETER.fullmatch(field):
                raise PydanticCustomError(
                    "extra_forbidden",
                    "{field} is not a parameter of this resource",
                    {"field": field[:64]},
                )
        fields_of_names: dict[str, str] = {}
        for field, name in fields.items():
            if field.endswith(".Name") and name:
                other = fields_of_names.setdefault(name, field)
                if other != field:
                    raise PydanticCustomError(
                        "value_error",
                        "{other} and {field} are the same name",
                        {"other": other, "field": field},
                    )
        for field, value in fields.items():
            name = field.replace(".Value", ".Name")
            if value and not fields.get(name):
                raise PydanticCustomError(
                    "missing", "{field} has no {name}", {"field": field, "name": name}
                )
        return self

    @property
    def parameters(self) -> dict[str, str]:
        """The custom parameters; without a value, the value is empty."""
        fields = self.__pydantic_extra__
        numbers = range(1, _MAX_PARAMETERS + 1)
        return {
            name: fields.get(f"Parameter{number}.Value", "")
            for number in numbers
            if (name := fields.get(f"Parameter{number}.Name"))
        }


class UpdateStreamBody(StreamForm):
    """A change of a stream: it can only be stopped."""

    status: Literal["stopped"]


class StreamError(BaseModel):
    """The body of every error. `code` is the vendor's own number, `status` the HTTP status."""

    code: int
    message: str
    more_info: str
    status: int
