"""Reporters: one for each output format. They depend on events only; several can consume the same stream.

terminal    text for people, on a terminal and in a pipe
json        a single document with frozen keys
junit       a suite per target, a case per rung
tap         a line per rung
github      a summary in Markdown, annotations as workflow commands
nagios      a single line with performance data
prometheus  a page for the textfile collector
html        a self-contained page

formats     the protocol of reporters, and the formats of `--report`
results     the results for formats that are written at the end; testcases: the same as a flat list
check_page  the text of `terminal` about a check; send_page: about a send
verdict     verdicts as sentences and as statuses; evidence: details as lines of text
tty         whether a stream is a terminal, and its width
"""

from __future__ import annotations
