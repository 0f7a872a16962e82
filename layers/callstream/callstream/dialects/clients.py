"""The dialects of clients that stream their own audio to this gateway, and are answered by it.

They are not among the carriers' `DIALECTS`: nothing is recognised by its shape, because the URL
says which dialect comes; nothing is translated into them; and they have no messages to play audio.
The frame function, which carriers alone use, does not import them.
"""

from typing import Final, Protocol, TypeAlias

from callstream.audio.formats import AudioFormat
from callstream.dialects import asapp
from callstream.dialects.events import Media, Start, Stop, Vocabulary

ATTRIBUTE: Final = "dialect"
"""The attribute of a token whose URL is for a client, and not for a carrier: names the dialect."""
SESSION_ATTRIBUTE: Final = "external_id"
"""The attribute of a token with the client's id of the conversation, if it has given one."""

ClientEvent: TypeAlias = Start | Media | Vocabulary | Stop


class ClientDialect(Protocol):
    """The interface of a client's dialect."""

    @property
    def FORMAT(self) -> AudioFormat:  # noqa: N802  # a constant of the module
        """The format of the audio in the records."""

    def parse(self, text: str | bytes, stream_id: str, session_id: str | None) -> ClientEvent:
        """Read a message that the client sends. Raises `UnreadableMessage`.

        Args:
            text: the message.
            stream_id: our id of the stream, which is also the id of its call.
            session_id: the client's id of the conversation.
        """


CLIENTS: Final[dict[str, ClientDialect]] = {"asapp": asapp}
