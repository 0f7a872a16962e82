"""Lets an agent of Dialogflow talk on a call, to the end; started asynchronously."""

import os
from typing import Any

from callstream.adapters.aws.warm_up_event import warmable
from callstream.wiring.dialogues import DialogueRunFactory
from callstream.wiring.relay_runs import run_once

_factory = DialogueRunFactory(os.environ)


@warmable()
def handler(event: dict[str, Any], context: Any) -> None:  # noqa: ANN401  # Lambda's context
    """Do the run that the event asks for."""
    run_once(_factory, event, context.get_remaining_time_in_millis() / 1000)
