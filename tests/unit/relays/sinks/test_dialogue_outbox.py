"""Reports wait in order, and not without an end."""

import asyncio

import pytest

from callstream.dialogues.virtual_agent import Heard
from callstream.relays.sinks.dialogue_outbox import MOST_REPORTS, ReportOutbox
from tests.unit.relays.scenes import play_without_waiting
from tests.unit.relays.sinks.dialogue_scenes import Table


def test_reports_that_are_too_many_are_lost_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    async def act() -> None:
        table = Table()
        outbox = ReportOutbox(table, "relay-1", 5)
        for number in range(MOST_REPORTS + 3):
            outbox.heard(Heard(str(number), is_final=True))
        working = asyncio.create_task(outbox.run())
        await outbox.drained()
        working.cancel()
        assert outbox.lost == 3
        assert table.reports[0] == (6, "heard", "0")
        assert table.reports[-1] == (MOST_REPORTS + 5, "heard", str(MOST_REPORTS - 1))

    play_without_waiting(act)
    assert caplog.text.count("reports of a dialogue are lost") == 1
