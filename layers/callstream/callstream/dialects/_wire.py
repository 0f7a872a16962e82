"""What the dialects share: JSON decoding with one kind of error."""

import msgspec

from callstream.errors import UnreadableMessage


def decode[T](decoder: msgspec.json.Decoder[T], text: str | bytes) -> T:
    """Decode one message.

    Raises:
        UnreadableMessage: with reason `not_json` (not JSON, not UTF-8, nested too deep) or
            `not_as_documented` (an unknown event, a missing or wrong field, bad base64).
    """
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise UnreadableMessage("not_as_documented", str(error)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UnreadableMessage("not_json", str(error)) from None
