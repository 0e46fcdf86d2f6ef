"""The experiments of the paper, and ours in the same form: one file for each table, one function for each row."""

from .addition.table import table4
from .birds.table import table3, table3_synthetic
from .colocalisation.table import table5
from .distorted_mnist.families import families
from .distorted_mnist.glimpses import glimpses
from .distorted_mnist.invariance import invariance
from .distorted_mnist.linearised import linearised
from .distorted_mnist.recurrence import recurrence
from .distorted_mnist.table1 import clutter, table1
from .house_numbers.table import table2, table2_synthetic
from .table import BUDGETS, BudgetName, Cell, Claim, Estimate, Estimates, Row, Table
from .volumes.table import volumes

_PAPER = (table1, clutter, table2, table2_synthetic, table3, table3_synthetic, table4, table5, volumes)
_OURS = (glimpses, families, recurrence, linearised, invariance)
TABLES: dict[str, Table] = {table.name: table for table in (*_PAPER, *_OURS)}

__all__ = ["BUDGETS", "TABLES", "BudgetName", "Cell", "Claim", "Estimate", "Estimates", "Row", "Table"]
