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
    return patient_sink(load(FramesSettings, environment).frames_stream)


def publisher(environment: Mapping[str, str]) -> Publisher:
    """The publisher of a media function. Raises msgspec.ValidationError if a setting is missing."""
    overflow = OverflowSink(load(OverflowSettings, environment).overflow_queue_url)
    return Publisher(frames_sink(environment), overflow, time.monotonic)
