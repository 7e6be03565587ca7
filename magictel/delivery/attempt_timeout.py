"""How long one attempt inside `export()` may take: short for a backend that lets us wait in vain, the whole `timeout` for one that answers.

`export()` runs on the SDK reader's thread, which shutdown joins: two backends that accept and never answer must not eat the
time of the healthy third. But a backend that needs four seconds for an answer must be able to give it.
"""

from __future__ import annotations

from magictel.model.outcome import Outcome, Unavailable

_NEARLY = 0.9


class Patience:
    """Seconds: `short` at first; doubled by each attempt that ran out of time, up to `full`, then `short` again; `full` after an answer."""

    def __init__(self, short: float, full: float) -> None:
        self._short = min(short, full)
        self._full = full
        self.seconds = self._short
        self.timed_out = False
        """True when the latest attempt used up its time without an answer."""

    def learn(self, outcome: Outcome, took: float, given: float) -> None:
        """Learn from an attempt that took so many seconds of those it was given."""
        if not isinstance(outcome, Unavailable) or outcome.needs_operator:
            self.seconds, self.timed_out = self._full, False
            return
        self.timed_out = took >= _NEARLY * given
        if self.timed_out:
            grown = min(self._full, max(self.seconds, 2 * given))
            self.seconds = self._short if given >= self._full else grown
