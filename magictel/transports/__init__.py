"""Transports for requests: HTTP, sockets, files, and the classification of their failures."""

from __future__ import annotations
