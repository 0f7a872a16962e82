"""Access to what goes on in a deployment (`callstream.console.views`)."""

from collections.abc import Mapping
from datetime import timedelta

from callstream.calls.store import StreamStore
from callstream.console.views import Activity
from callstream.relays.store import RelayStore
from callstream_cli.operator.errors import output


def activity_of(outputs: Mapping[str, str]) -> Activity:
    """The streams and calls of the deployment whose stack has these outputs.

    Raises:
        OperatorError: the stack is not a Callstream.
    """
    from callstream.adapters.aws.dynamodb import DynamoTable  # noqa: PLC0415 - slow

    table = DynamoTable(output(outputs, "StreamsTableName"))
    # Nothing is written, so that the retention does not matter.
    return Activity(StreamStore(table, timedelta(0)), RelayStore(table))
