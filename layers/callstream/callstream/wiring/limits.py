"""Builds what reads tenants' limits on what runs."""

from collections.abc import Callable, Mapping
from functools import partial

from callstream.adapters.aws.dynamodb import DynamoTable
from callstream.tenants.running_limits import RunningLimits, running_limits
from callstream.wiring.settings import DirectorySettings, load


def limits_of(environment: Mapping[str, str]) -> Callable[[str], RunningLimits]:
    """The limits of a tenant, by its id. Raises msgspec.ValidationError if a setting is missing."""
    directory = DynamoTable(load(DirectorySettings, environment).directory_table)
    return partial(running_limits, directory)
