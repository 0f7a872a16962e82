"""Builds the publisher of the media routes. Imports no botocore, because it runs per frame."""

import time
from collections.abc import Mapping

from callstream.adapters.aws.patient_sink import PatientSink
from callstream.adapters.aws.record_sinks import KinesisSink, OverflowSink
from callstream.frames.publisher import Publisher
from callstream.wiring.settings import FramesSettings, OverflowSettings, load


def patient_sink(frames_stream: str) -> PatientSink:
    """The stream of this name, as a sink for records that must not wait long."""
    return PatientSink(KinesisSink(frames_stream))


def frames_sink(environment: Mapping[str, str]) -> PatientSink:
    """The frames stream. Raises msgspec.ValidationError if a setting is missing."""
    return PatientSink(kinesis_sink(environment))


def kinesis_sink(environment: Mapping[str, str]) -> KinesisSink:
    """The frames stream itself. Raises msgspec.ValidationError if a setting is missing."""
    return KinesisSink(load(FramesSettings, environment).frames_stream)


def publisher(environment: Mapping[str, str], kinesis: KinesisSink | None = None) -> Publisher:
    """The publisher of a media function. Raises msgspec.ValidationError if a setting is missing.

    Args:
        environment: the settings.
        kinesis: the frames stream, if the function has it already.
    """
    overflow = OverflowSink(load(OverflowSettings, environment).overflow_queue_url)
    frames = PatientSink(kinesis or kinesis_sink(environment))
    return Publisher(frames, overflow, time.monotonic)
