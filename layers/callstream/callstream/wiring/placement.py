"""Builds what makes the ids of new streams."""

import random
from collections.abc import Mapping

from callstream.adapters.aws.signed_items import SignedItems
from callstream.calls.placement import Placement
from callstream.calls.track_counts import TrackCounts
from callstream.wiring.settings import TableSettings, load


def placement(environment: Mapping[str, str]) -> Placement:
    """The maker of stream ids. Raises msgspec.ValidationError if a setting is missing."""
    items = SignedItems(load(TableSettings, environment).streams_table)
    return Placement(TrackCounts(items), random.random)
