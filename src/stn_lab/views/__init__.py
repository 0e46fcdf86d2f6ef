"""The report: a run folder in, one page of HTML and one picture out."""

from .page import write_report
from .strip import write_strip

__all__ = ["write_report", "write_strip"]
