"""The settings of a dialogue. Surfaces and agents make them, in no carrier's terms."""

from pydantic import BaseModel, ConfigDict


class DialogueSettings(BaseModel):
    """How a virtual agent takes part in a call.

    Attributes:
        connection_id: which of the tenant's stored connections to the agent's service is used.
        analyzes_sentiment: whether the service rates how the person feels.
        partial_replies: whether the agent may begin a reply before it is complete.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    connection_id: str
    analyzes_sentiment: bool = False
    partial_replies: bool = False
