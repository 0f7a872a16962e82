"""What a consumer's command cannot do, in words for the person who typed it."""

from callstream_cli.operator.errors import OperatorError


class ConsumerError(OperatorError):
    """What was asked cannot be done with what is on the stream. Ends with status 1."""
