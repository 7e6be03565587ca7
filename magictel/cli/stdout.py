"""Text output for people on standard output."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from magictel.cli import output
from magictel.cli.environment import environment

if TYPE_CHECKING:
    from magictel.reporters.layout import Sheet


def page() -> Sheet:
    """Return a sheet on standard output; errors of standard output are reported at the end of the command."""
    from magictel.reporters.terminal import sheet_for

    sheet = sheet_for(sys.stdout, environment())
    sheet.failed = output.unwritable
    return sheet
