"""Standard output as the page that people read."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from magictel.cli import output
from magictel.cli.environment import environment

if TYPE_CHECKING:
    from magictel.reporters.layout import Sheet


def page() -> Sheet:
    """A sheet on standard output; where that takes no more, the end of the command says so."""
    from magictel.reporters.terminal import sheet_for

    sheet = sheet_for(sys.stdout, environment())
    sheet.failed = output.unwritable
    return sheet
