"""The experiments of the paper, and ours in the same form: one file for each table, one function for each row."""

from .addition import table4
from .birds import table3, table3_synthetic
from .colocalisation import table5
from .distorted_mnist import clutter, table1
from .families import families
from .glimpses import glimpses
from .house_numbers import table2, table2_synthetic
from .invariance import invariance
from .linearised import linearised
from .recurrence import recurrence
from .table import BUDGETS, BudgetName, Cell, Claim, Estimate, Estimates, Row, Table
from .volumes import volumes

_PAPER = (table1, clutter, table2, table2_synthetic, table3, table3_synthetic, table4, table5, volumes)
_OURS = (glimpses, families, recurrence, linearised, invariance)
TABLES: dict[str, Table] = {table.name: table for table in (*_PAPER, *_OURS)}

__all__ = ["BUDGETS", "TABLES", "BudgetName", "Cell", "Claim", "Estimate", "Estimates", "Row", "Table"]
