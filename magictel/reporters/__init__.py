"""Reporters: what an output format consumes. They know events and nothing else; several listen to one stream.

reporter    the protocol
terminal    for people, at a terminal and in a pipe
json        exactly one document, with frozen keys
junit       one suite a target, one case a rung
tap         a line a rung
github      a summary in Markdown, annotations as workflow commands
nagios      one line and performance data
prometheus  a page for the textfile collector
html        one self-contained page

kinds       which of them `--report` knows
results     what those need that write at the end; cases: the same, flat
documents   what `json` writes; send_verdict, check_page and send_page: the sentences and pages of `terminal`
tty         whether a stream is a terminal, and how wide
"""

from __future__ import annotations
