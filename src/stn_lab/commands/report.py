"""What `stn train` and `stn evaluate` end with: the page and the picture of a run."""

import sys

from ..runs.folder import RunFolder
from ..views.page import write_report
from ..views.strip import write_strip


def write_pages(folder: RunFolder) -> None:
    """Write both anew, and say where the page is."""
    write_strip(folder.path)
    sys.stdout.write(f"Report: {write_report(folder.path)}\n")
