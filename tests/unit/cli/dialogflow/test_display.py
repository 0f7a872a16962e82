import io
import re

from callstream_cli.consoles import SafeConsole
from callstream_cli.dialogflow.agent import Agent, Input
from callstream_cli.dialogflow.display import Display
from callstream_cli.dialogflow.watching import Call


def test_display_shows_what_is_heard_the_intent_and_the_reply() -> None:
    shown = io.StringIO()
    display = Display(SafeConsole(file=shown, width=200))

    for name in ("first", "second"):
        display.began(name)
    for said in (
        Input(event="WELCOME"),
        Input(text="my \x1b bill"),
        Input(digits="123#"),
        Input(text="danger"),
        Input(),
    ):
        display.answered("second", said, Agent().answer(said))
    display.ended(Call("StreamingAnalyzeContent", status="CANCELLED"))
    display.ended(Call("CreateConversation", status="NOT_FOUND", details="x does not exist"))
    display.completed("second")

    lines = shown.getvalue().splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d  ", line) for line in lines)
    assert [line[10:] for line in lines] == [
        "  1          a conversation begins",
        "  2          a conversation begins",
        "  2  event   WELCOME",
        "  2  intent  welcome, confidence 100%",
        "  2  agent   Hello, this is the water company. How can I help you?",
        r"  2  caller  my \x1b bill",
        "  2  intent  bill, confidence 100%",
        "  2  agent   Please type your account number, and then the pound key.",
        "  2  caller  presses 123#",
        "  2  intent  account, confidence 100%, account 123",
        "  2  agent   Thank you. Your bill is paid.",
        "  2  caller  danger",
        "  2  intent  emergency, confidence 100%",
        "  2  agent   I will connect you with the emergency service.",
        "  2          transfer +15005550100",
        "     error   CreateConversation: NOT_FOUND: x does not exist",
        "  2          the conversation is completed",
    ]
