"""Replies are kept in order, with the place up to which the agent has got the call."""

import asyncio
from typing import override

import pytest

from callstream.dialogues.kept_replies import KeptReply
from callstream.dialogues.virtual_agent import DialogueEnd, KeysWanted, Reply
from callstream.errors import UnknownCall
from callstream.relays.sinks.dialogue_replies import Place, Replies
from tests.unit.relays.scenes import play_without_waiting
from tests.unit.relays.sinks.dialogue_scenes import Table

BEGINNING = Place()


async def opened(table: Table, place: Place = BEGINNING, *, swaps_bytes: bool = False) -> Replies:
    replies = Replies(table, "relay-1")
    await replies.open(0, place, swaps_bytes=swaps_bytes)
    return replies


async def kept(replies: Replies) -> None:
    working = asyncio.create_task(replies.run())
    await replies.drained()
    working.cancel()


def test_only_the_last_reply_of_a_turn_has_its_place() -> None:
    async def act() -> None:
        table = Table()
        replies = await opened(table, Place(1000, 5, 2))
        for audio in (b"one", b"two"):
            replies.add(Reply(audio))
        replies.keep(Place(2000, 7, 4))
        assert replies.done == Place(1000, 5, 2)
        await kept(replies)
        assert replies.done == Place(2000, 7, 4)
        places = [(each.until_ms, each.keys_until, each.reports) for each in table.replies.values()]
        # A run that dies between the two repeats the turn.
        assert places == [(1000, 5, 2), (2000, 7, 4)]

    play_without_waiting(act)


def test_place_never_goes_back() -> None:
    async def act() -> None:
        replies = await opened(Table())
        replies.keep(Place(2000, 0, 3))
        replies.keep(Place(1000, 9, 1))
        await kept(replies)
        assert replies.done == Place(2000, 9, 3)

    play_without_waiting(act)


def test_next_run_goes_on_after_the_last_reply_rather_than_after_the_checkpoint() -> None:
    async def act() -> None:
        table = Table()
        end, keys = DialogueEnd("transfer"), KeysWanted(4)
        table.keep(KeptReply(7, 3000, b"x", end=end, keys=keys, keys_until=8, reports=9))
        replies = Replies(table, "relay-1")
        unfinished = await replies.open(5, Place(1000, 20, 4), swaps_bytes=False)
        assert [each.number for each in unfinished] == [7]
        assert (replies.number, replies.end, replies.keys) == (7, end, keys)
        assert replies.done == Place(3000, 20, 9)

    play_without_waiting(act)


def test_note_that_comes_before_its_reply_is_kept_is_not_lost() -> None:
    async def act() -> None:
        table = Table()
        replies = await opened(table)
        number = replies.add(Reply(b"one")).number
        replies.note(number, 40, is_done=True)
        replies.keep(Place(1000))
        table.fails = 2
        await kept(replies)
        assert (table.replies[number].played_ms, table.replies[number].is_done) == (40, True)

    play_without_waiting(act)


def test_samples_are_in_the_byte_order_of_the_legs() -> None:
    async def act() -> None:
        replies = await opened(Table(), swaps_bytes=True)
        assert replies.add(Reply(b"abcde")).audio == b"badc"

    play_without_waiting(act)


def test_reply_that_cannot_be_kept_holds_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    class Gone(Table):
        @override
        def keep(self, reply: KeptReply) -> None:
            raise UnknownCall(f"the call of {reply} is gone")

    async def act() -> None:
        replies = await opened(Gone())
        replies.add(Reply(b"one", "a secret"))
        replies.keep(Place(1000))
        await kept(replies)
        assert replies.done == Place(1000)

    play_without_waiting(act)
    assert "a reply is not kept: the call of KeptReply(1, 3 bytes) is gone" in caplog.text
    assert "secret" not in caplog.text
