"""A point that is left out of a collection, and the reason that a receipt counts."""

from __future__ import annotations

from dataclasses import dataclass, field

from magictel.model.outcome import Fate, Reason

BUG = "internal.export"
"""The code of points lost to a bug of ours or of a plugin."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """A point left out by a documented rule, on the code's page. `refused`: a loss that the user must fix.

    `at`: its position in the collection if `encode` left it out.
    """

    code: str
    message: str
    point: str
    refused: bool = False
    at: int | None = field(default=None, compare=False)

    @property
    def reason(self) -> Reason:
        """Return the reason for the receipt."""
        fate = Fate.DROPPED if self.code == BUG else Fate.REJECTED if self.refused else Fate.WITHHELD
        return Reason(self.code, self.message, 1, fate, self.point)
