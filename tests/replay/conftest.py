"""Replaying makes many AWS clients: they share one loader, since reading the models takes long."""

from functools import cache

import botocore.session
import pytest


@pytest.fixture(autouse=True, scope="session")
def _one_loader() -> None:
    botocore.session.create_loader = cache(botocore.session.create_loader)
