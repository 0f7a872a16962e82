"""Runs the commands that wait for several things at once."""

import asyncio
from collections.abc import Coroutine
from typing import Any


def run[T](main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine as `asyncio.run` does; without a message when one of its tasks exits."""
    with asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(_show_errors)
        return runner.run(main)


def _show_errors(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # A task exits when its output cannot be written any more; the loop itself raises that again.
    if not isinstance(context.get("exception"), SystemExit):
        loop.default_exception_handler(context)
