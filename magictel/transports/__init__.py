"""How a request travels: HTTP, sockets, files, and which phase failed."""

from __future__ import annotations
