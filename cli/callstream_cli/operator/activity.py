"""Access to what goes on in a deployment (`callstream.console.views`)."""

from collections.abc import Mapping
from datetime import timedelta

from callstream.calls.store import StreamStore
from callstream.console.transcripts import TranscriptReader
from callstream.console.views import Activity, CallView
from callstream.relays.store import RelayStore
from callstream.transcription.transcripts import TranscriptStore
from callstream_cli.operator.errors import output


def activity_of(outputs: Mapping[str, str]) -> Activity:
    """The streams and calls of the deployment whose stack has these outputs.

    Raises:
        OperatorError: the stack is not a Callstream.
    """
    return Activity(*_stores(outputs))


def transcript_of(
    outputs: Mapping[str, str], call: CallView, *, of_session: bool
) -> TranscriptReader:
    """What is said on a call or, with `of_session`, on all legs of its session.

    Raises:
        OperatorError: the stack is not a Callstream.
    """
    return TranscriptReader(*_stores(outputs), call, of_session=of_session)


def _stores(outputs: Mapping[str, str]) -> tuple[StreamStore, RelayStore, TranscriptStore]:
    from callstream.adapters.aws.dynamodb import DynamoTable  # noqa: PLC0415 - slow

    table = DynamoTable(output(outputs, "StreamsTableName"))
    # Nothing is written, so that the retention does not matter.
    return StreamStore(table, timedelta(0)), RelayStore(table), TranscriptStore(table)
