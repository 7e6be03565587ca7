"""Reporters: what an output format consumes. They know events and nothing else; several listen to one stream.

reporter    the protocol
terminal    for people, at a terminal and in a pipe
json        exactly one document, with frozen keys
junit       one suite a target, one case a rung
"""

from __future__ import annotations
