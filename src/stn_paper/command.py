"""`stn reproduce`: its options."""

from dataclasses import dataclass, field
from pathlib import Path

import tyro

from stn_lab.errors import UserError
from stn_lab.training.config import Machine

from . import process
from .table import BUDGETS
from .tables import TABLES

MOST_SEEDS = 1000


@dataclass(frozen=True)
class Reproduce:
    """Run the paper's experiments, and put every number beside the published one.

    Runs what has no result yet; stop it at any time and start it again. Several of these commands at once share the
    work, as do the processes of `torchrun --nproc-per-node 4 -m stn_lab.cli reproduce ...`, on one device or several.
    """

    tables: tyro.conf.Positional[tuple[str, ...]] = ()
    """table1, ...: see --list; "all" for all of them."""
    list: bool = False
    """Say which tables, rows, columns and budgets there are, and which cells have results."""
    compare: bool = False
    """Print the results beside the paper's, and run nothing."""
    json: bool = False
    """With --compare: as JSON."""
    page_only: bool = False
    """Write the page from the results, and run nothing."""
    rows: tuple[str, ...] = ()
    """Some rows only: ST-CNN-Aff."""
    columns: tuple[str, ...] = ()
    """Some columns only: R."""
    budget: str = "quick"
    """smoke (4 steps, to see that it runs), quick (3,000 steps in most tables), standard (15,000) or paper (150,000);
    --list says how many in each, and with "all" a table without this budget is left out."""
    seeds: int = 1
    """How many, from 0."""
    machine: Machine = field(default_factory=Machine)
    results: Path = Path("results")
    """The folder of the results."""
    page: Path = Path("docs/reproduction.md")
    """The page that compares."""
    runs: Path = Path("runs")
    """The folder for checkpoints and logs."""

    def __call__(self) -> None:
        self.check()
        process.keep_to_itself()  # before Lightning is imported, which asks the environment for its rank
        from .reproduce import reproduce

        reproduce(self)

    def check(self) -> None:
        """Refuse what can be refused without PyTorch, whose import takes seconds; rows and columns need it.

        Raises:
            UserError: something is unknown; the message lists what there is.
        """
        self.machine.check()
        if self.json and not self.compare:
            raise UserError("--json goes with --compare")
        if not self.page.name:
            raise UserError("--page must be a file")
        for name in self.tables:
            if name not in (*TABLES, "all"):
                raise UserError(f"unknown table {name!r}; choose from {', '.join([*TABLES, 'all'])}")
        if (self.compare or self.page_only) and not self.results.is_dir():
            raise UserError(f"there is no folder {self.results}; --results says where they are")
        if not (self.list or self.compare or self.page_only):
            self._check_cells()

    def _check_cells(self) -> None:
        if not self.tables:
            raise UserError(f"name a table: {', '.join(TABLES)}, or all; --list says more")
        if not 1 <= self.seeds <= MOST_SEEDS:
            raise UserError(f"--seeds must be 1 or more, and at most {MOST_SEEDS}; got {self.seeds}")
        if self.budget not in BUDGETS:
            raise UserError(f"unknown budget {self.budget!r}; choose from {', '.join(BUDGETS)}")
