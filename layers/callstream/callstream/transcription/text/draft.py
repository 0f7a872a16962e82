"""Text in the making: every character knows which part of the source it stands for."""

from collections.abc import Iterable, Sequence

from msgspec import Struct


class Edit(Struct, frozen=True):
    """Write `text` for the characters from `start` to `end`."""

    start: int
    end: int
    text: str


class Draft(Struct, frozen=True):
    """A text after some edits. `starts` and `ends` have a source position for each character."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    @classmethod
    def of(cls, source: str) -> "Draft":
        """The source itself."""
        return cls(source, range(len(source)), range(1, len(source) + 1))

    def edited(self, edits: Iterable[Edit]) -> "Draft":
        """The text after edits that do not overlap, sorted by their places."""
        pieces: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        done = 0
        for edit in edits:
            pieces += [self.text[done : edit.start], edit.text]
            length = len(edit.text)
            starts += [*self.starts[done : edit.start], *[self.starts[edit.start]] * length]
            ends += [*self.ends[done : edit.start], *[self.ends[edit.end - 1]] * length]
            done = edit.end
        if not done:
            return self
        text = "".join([*pieces, self.text[done:]])
        return Draft(text, [*starts, *self.starts[done:]], [*ends, *self.ends[done:]])

    @property
    def source_length(self) -> int:
        """How long the source is, as far as the text stands for it."""
        return max(self.ends, default=0)
