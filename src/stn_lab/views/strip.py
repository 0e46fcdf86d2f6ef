"""One picture of a run, to be shown elsewhere: what went into the transformer, and what came out."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..files import replacing
from .read import read_run

NAME = "picture.png"
COUNT = 10
COLOURS = ("#ffb000", "#00b4d8", "#e5383b", "#70c1b3")  # of the first transformer, the second, ...


def write_strip(run: Path) -> Path | None:
    """Write `picture.png` of a run: test images with the sampled region, and below them the transformer's output.

    Args:
        run: the run folder.

    Returns:
        The path of the picture; None when no model of the run has a transformer.

    Raises:
        UserError: `config.json` or `results.json` is missing or damaged.
    """
    model = next((model for model in read_run(run).models if "warped" in model.pictures), None)
    if model is None:
        return None
    arrays = model.pictures
    images, warped = (_channels_first(arrays[name]) for name in ("images", "warped"))
    figure = draw_strip(images, arrays["outline"], warped)
    with replacing(run / NAME) as unfinished:
        FigureCanvasAgg(figure).print_png(unfinished)
    return run / NAME


def _channels_first(pictures: np.ndarray) -> np.ndarray:
    """(..., H, W) or (..., H, W, 3) to (..., C, H, W)."""
    return np.moveaxis(pictures, -1, -3) if pictures.shape[-1] == 3 else pictures[..., None, :, :]


def draw_strip(images: np.ndarray, outlines: np.ndarray, warped: np.ndarray) -> Figure:
    """Images with the regions sampled by K transformers, and below each what every transformer hands on.

    Args:
        images: (N, C, H, W) in 0 ... 1; of other than three channels the brightest is shown.
        outlines: (N, K, L, 2) points around the regions, in pixels of which the first spans [0, 1].
        warped: (N, K, C, h, w).
    """
    count, looks = min(COUNT, len(images)), warped.shape[1]
    height, width = images.shape[2:]
    figure = Figure(figsize=(1.2 * count, 1.25 * (1 + looks)), layout="constrained")
    for column in range(count):
        above, *below = (figure.add_subplot(1 + looks, count, i * count + column + 1) for i in range(1 + looks))
        _show(above, images[column], extent=(0, width, height, 0))
        for (x, y), colour in zip(outlines[column].swapaxes(1, 2), itertools.cycle(COLOURS), strict=False):
            above.fill(x, y, fill=False, edgecolor=colour, linewidth=1.5)
            above.plot(x[0], y[0], "o", color=colour, markersize=5)
        above.set(xlim=(-0.1 * width, 1.1 * width), ylim=(1.1 * height, -0.1 * height))
        for axes, seen in zip(below, warped[column], strict=True):
            _show(axes, seen)
        for axes in (above, *below):
            axes.set_axis_off()
    return figure


def _show(axes: Axes, image: np.ndarray, **options: Any) -> None:
    """(C, H, W), grey or in colours."""
    pixels = np.moveaxis(image, 0, -1) if len(image) == 3 else image.max(axis=0)
    axes.imshow(pixels.clip(0, 1), cmap="gray", vmin=0, vmax=1, **options)
