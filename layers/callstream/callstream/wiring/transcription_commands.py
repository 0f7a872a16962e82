"""Builds what carries out commands to transcribe calls.

Each function raises msgspec.ValidationError if a setting is missing.
"""

import time
from collections.abc import Mapping

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.relays.halting import TranscriptionStop
from callstream.relays.store import RelayStore
from callstream.relays.transcriptions import Transcriptions, TranscriptionStarter
from callstream.transcription.model import Transcriber
from callstream.wiring.limits import limits_of
from callstream.wiring.media import frames_sink
from callstream.wiring.notifier import starter
from callstream.wiring.settings import TableSettings, TranscriberSettings, load
from callstream.wiring.state import stream_store


def transcriber(environment: Mapping[str, str]) -> Transcriber:
    """The engine that this deployment transcribes with."""
    return load(TranscriberSettings, environment).transcriber


def transcription_starter(environment: Mapping[str, str]) -> TranscriptionStarter:
    """Starts the transcription of calls."""
    table = DynamoTable(load(TableSettings, environment).streams_table)
    return TranscriptionStarter(
        table, RelayStore(table), starter(environment), limits_of(environment)
    )


def transcription_stop(environment: Mapping[str, str]) -> TranscriptionStop:
    """Stops the transcription of calls."""
    table = DynamoTable(load(TableSettings, environment).streams_table)
    return TranscriptionStop(
        Transcriptions(table),
        RelayStore(table),
        stream_store(environment),
        frames_sink(environment),
        time.sleep,
    )
