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

    def stands_for(self, start: int, end: int, source_start: int, source_end: int) -> bool:
        """Whether `text[start:end]` stands for a character of this part of the source."""
        return self.starts[start] < source_end and self.ends[end - 1] > source_start
