"""The experiments of the paper, and ours in the same form: one file for each table, one function for each row.

Tables are known by name and imported when they are looked at: a name that is mistyped is refused before PyTorch is.
"""

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .table import Table

# Where each is written, in the order of the page: the paper's, then ours. The file calls table2-synthetic
# table2_synthetic.
WHERE = {
    "table1": "distorted_mnist.table1",
    "clutter": "distorted_mnist.table1",
    "table2": "house_numbers.table",
    "table2-synthetic": "house_numbers.table",
    "table3": "birds.table",
    "table3-synthetic": "birds.table",
    "table4": "addition.table",
    "table5": "colocalisation.table",
    "volumes": "volumes.table",
    "glimpses": "distorted_mnist.glimpses",
    "families": "distorted_mnist.families",
    "recurrence": "distorted_mnist.recurrence",
    "linearised": "distorted_mnist.linearised",
    "invariance": "distorted_mnist.invariance",
    "pose": "distorted_mnist.pose",
}


class Tables(MutableMapping[str, "Table"]):
    """All of them by name; going through the names imports none."""

    def __init__(self) -> None:
        self._known: dict[str, Table | None] = dict.fromkeys(WHERE)

    def __getitem__(self, name: str) -> "Table":
        table = self._known[name]
        if table is None:
            module = import_module(f".{WHERE[name]}", __package__)
            table = self._known[name] = getattr(module, name.replace("-", "_"))
        return table

    def __setitem__(self, name: str, table: "Table") -> None:
        self._known[name] = table

    def __delitem__(self, name: str) -> None:
        del self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, name: object) -> bool:
        return name in self._known


TABLES = Tables()
