"""The failures of the commands that read streams, in words for the person who typed them."""

from callstream_cli.operator.errors import OperatorError


class ConsumerError(OperatorError):
    """The records on the stream do not allow what was asked. Ends with status 1."""
