"""Delivery: each payload passes retry( breaker( rate limit( attempt ) ) ) within a deadline, and every point is counted.

The breaker is inside the retry (Resilience4j's documented order): every attempt counts, retries spend rate tokens, and
an open circuit is just `Unavailable(after=cool-down left)`.
"""

from __future__ import annotations
