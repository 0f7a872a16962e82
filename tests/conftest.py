"""Set-up of all tests."""

import signal
from collections import Counter
from functools import cache
from typing import Any

import pytest
from botocore import hooks, session

# Tests in the background of a shell ignore Ctrl-C, and under nohup the end of the terminal, and so
# would all processes that they start: commands that a test interrupts would never end.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Tests make thousands of AWS clients. What is the same for all of them is found once: the models of
# the services, the newer names of events, and whether a function can be a handler of events.
session.create_loader = cache(session.create_loader)
_takes_any_arguments = cache(hooks.accepts_kwargs)
_aliaser: Any = hooks.EventAliaser
_newer_name, _newer_names = _aliaser._alias_event_name, dict[str, str]()


def _accepts_kwargs(func: Any) -> Any:
    return _takes_any_arguments(getattr(func, "__func__", func))


def _alias_event_name(emitter: Any, name: str) -> str:
    if name not in _newer_names:
        _newer_names[name] = _newer_name(emitter, name)
    return _newer_names[name]


hooks.accepts_kwargs = _accepts_kwargs
_aliaser._alias_event_name = _alias_event_name


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse two tests with one id, of which xdist would run only one."""
    counts = Counter(item.nodeid for item in items)
    if twice := [nodeid for nodeid, count in counts.items() if count > 1]:
        raise pytest.UsageError(f"tests with the same id: {twice}")
