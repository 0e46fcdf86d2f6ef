"""Figures of matplotlib as files, without its global state."""

from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure


def save(figure: Figure, path: Path) -> None:
    """As SVG or PNG, the same bytes for the same figure."""
    if path.suffix == ".svg":
        with matplotlib.rc_context({"svg.hashsalt": "spatial-transformer"}):
            FigureCanvasSVG(figure).print_svg(path, metadata={"Date": None})
    else:
        FigureCanvasAgg(figure).print_png(path)
