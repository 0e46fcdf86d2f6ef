"""What `stn train` and `stn evaluate` end with: what transformers do, the page and the picture of a run."""

import sys

from rich.console import Console

from ..runs.folder import RunFolder
from ..views.looks import looks_table, said
from ..views.page import write_report
from ..views.read import read_run
from ..views.strip import write_strip


def print_looks(folder: RunFolder) -> None:
    """Print what the transformers of a run undo, and how well they frame things, where that was measured."""
    console = Console(highlight=False)
    models = read_run(folder.path).models
    if looks := looks_table(models):
        console.print(looks)
    for sentence in said(models):
        console.print(sentence)


def write_pages(folder: RunFolder) -> None:
    """Write page and picture anew, and say where the page is."""
    write_strip(folder.path)
    sys.stdout.write(f"Report: {write_report(folder.path)}\n")
