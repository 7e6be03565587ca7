"""Timeout of one attempt inside `export()`: short for a backend that timed out, the whole `timeout` for one that answers.

`export()` runs on the SDK reader's thread, which shutdown joins: two backends that accept and never answer must not use up
the time of a healthy third. But a backend that needs four seconds to answer must get them.
"""

from __future__ import annotations

from magictel.model.outcome import Outcome, Unavailable

_NEARLY = 0.9


class AdaptiveTimeout:
    """Timeout in seconds: starts at `short`, doubles with each timeout up to `full`, then restarts; `full` after an answer."""

    def __init__(self, short: float, full: float) -> None:
        self._short = min(short, full)
        self._full = full
        self.seconds = self._short
        self.timed_out = False
        """Whether the latest attempt timed out."""

    def learn(self, outcome: Outcome, took: float, given: float) -> None:
        """Adapt to an attempt that took some of its timeout."""
        if not isinstance(outcome, Unavailable) or outcome.needs_operator:
            self.seconds, self.timed_out = self._full, False
            return
        self.timed_out = took >= _NEARLY * given
        if self.timed_out:
            grown = min(self._full, max(self.seconds, 2 * given))
            self.seconds = self._short if given >= self._full else grown
