"""Delivery: each payload goes through retry( breaker( rate limit( attempt ) ) ) under a deadline, and every point is counted.

The breaker stands inside the retry (Resilience4j's documented order): every attempt counts, retries spend rate tokens, and
an open circuit is just `Unavailable(after=cool-down left)`.
"""

from __future__ import annotations
