"""What a virtual agent says: played at once, and reported and kept when its turn is over."""

from collections.abc import Sequence

from callstream.dialogues.virtual_agent import Heard, Reply
from callstream.relays.sinks.dialogue_outbox import ReportOutbox
from callstream.relays.sinks.dialogue_replies import Place, Replies
from callstream.relays.sinks.playback import Playback


class AgentVoice:
    """The agent's side of a dialogue, in one run.

    Args:
        replies: keeps what the agent says.
        playback: plays it.
        outbox: reports it, and what the agent has heard.
    """

    def __init__(self, replies: Replies, playback: Playback, outbox: ReportOutbox) -> None:
        self._replies = replies
        self._playback = playback
        self._outbox = outbox

    def say(self, reply: Reply, *, is_played: bool) -> None:
        """Say a reply, which is not played if the call is over."""
        kept = self._replies.add(reply, is_played=is_played)
        if is_played:
            self._playback.play(kept)

    def interrupt(self) -> None:
        """Be silent, because the person speaks; the last words are said in any case."""
        if not self.has_ended:
            self._playback.interrupt()

    def conclude(self, news: Sequence[Heard | Reply], place: Place) -> None:
        """Report what was said, and keep the replies: the agent has got all before a place."""
        for each in news:
            if isinstance(each, Heard):
                self._outbox.heard(each)
            else:
                self._outbox.replied(each)
        self._replies.keep(place._replace(reports=self._outbox.number))

    @property
    def done(self) -> Place:
        """The place up to which everything is kept."""
        return self._replies.done

    @property
    def is_keeping(self) -> bool:
        """Whether replies wait to be kept."""
        return self._replies.is_keeping

    @property
    def has_ended(self) -> bool:
        """Whether the agent has ended the dialogue."""
        return self._replies.end is not None

    @property
    def is_speaking(self) -> bool:
        """Whether a reply plays."""
        return self._playback.is_playing

    @property
    def silent_since(self) -> float:
        """Since when no reply plays, in seconds."""
        return self._playback.silent_since

    async def played(self) -> None:
        """Wait until no reply plays."""
        await self._playback.played()
