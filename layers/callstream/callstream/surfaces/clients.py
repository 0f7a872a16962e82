"""Vendors' own WebSockets, by dialect: how their clients are answered, and which relay they get."""

from typing import Final, Protocol

from callstream.relays.model import RelaySpec
from callstream.relays.sinks.conversation import Conversation, Terms
from callstream.surfaces.asapp_conversation import AsappConversation
from callstream.transcription.model import TranscriptionSettings


class ConversationKind(Protocol):
    """Makes conversations of one dialect."""

    def __call__(
        self,
        stream_id: str,
        opened_at: int,
        terms: Terms,
        snapshot: bytes | None = None,
    ) -> Conversation:
        """Make a conversation.

        Args:
            stream_id: our id of the stream.
            opened_at: when the client connected, in milliseconds since 1970.
            terms: what it can offer.
            snapshot: where the conversation was in the run before; None for the first run.
        """


CONVERSATIONS: Final[dict[str, ConversationKind]] = {"asapp": AsappConversation}

SPECS: Final[dict[str, RelaySpec]] = {
    # The client's first message says how to transcribe.
    "asapp": RelaySpec(
        surface="asapp",
        sink="transcription",
        dialect="asapp",
        track="inbound_track",
        transcription=TranscriptionSettings(),
    )
}
"""The relay that a client's stream gets, by dialect."""
