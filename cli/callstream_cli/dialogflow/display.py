"""Shows the dialogues as they happen, line by line."""

from datetime import datetime
from threading import Lock
from typing import Final

from callstream_cli.consoles import SafeConsole
from callstream_cli.dialogflow.agent import Answer, Input
from callstream_cli.dialogflow.watching import Call
from callstream_cli.hanging import print_hanging

_QUIET: Final = frozenset({"OK", "CANCELLED"})
_MOST_NUMBERS: Final = 1000


class Display:
    """Prints what is heard, the intent of it, and what is answered.

    Conversations have numbers, in the order in which they begin.
    """

    def __init__(self, console: SafeConsole) -> None:
        self._console = console
        self._lock = Lock()
        self._numbers: dict[str, int] = {}
        self._count = 0

    def began(self, conversation: str) -> None:
        """A conversation or session has begun."""
        with self._lock:
            self._count += 1
            self._numbers[conversation] = self._count
            while len(self._numbers) > _MOST_NUMBERS:
                del self._numbers[next(iter(self._numbers))]
        self._print(conversation, "", "a conversation begins")

    def answered(self, conversation: str, said: Input, answer: Answer) -> None:
        """The agent has answered an input."""
        if said.text:
            self._print(conversation, "caller", said.text)
        elif said.digits:
            self._print(conversation, "caller", f"presses {said.digits}")
        elif said.event:
            self._print(conversation, "event", said.event)
        else:
            return
        if answer.intent:
            found = [f"{answer.intent}, confidence {answer.confidence:.0%}"]
            found += [f"{name} {value}" for name, value in answer.parameters.items()]
            self._print(conversation, "intent", ", ".join(found))
        for part in answer.parts:
            self._print(conversation, "agent", part.text)
        if answer.end:
            ends = answer.end.replace("_", " ")
            self._print(conversation, "", f"{ends} {answer.transfer_to}".rstrip())

    def completed(self, conversation: str) -> None:
        """The client has completed a conversation."""
        self._print(conversation, "", "the conversation is completed")

    def ended(self, call: Call) -> None:
        """A client's call is over; shown if it has failed."""
        if call.status not in _QUIET:
            self._print("", "error", f"{call.method}: {call.status}: {call.details}")

    def _print(self, conversation: str, label: str, text: str) -> None:
        with self._lock:
            number = self._numbers.get(conversation, "")
            head = f"{datetime.now().astimezone():%H:%M:%S}  {number:>3}  {label:<6}  "
            print_hanging(self._console, head, text)
