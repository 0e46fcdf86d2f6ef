"""One picture of a run, to be shown elsewhere: what went into the transformer, and what came out."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .read import Model, read_run

NAME = "picture.png"
COUNT = 10


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
    figure = _draw(model)
    FigureCanvasAgg(figure).print_png(run / NAME)
    return run / NAME


def _draw(model: Model) -> Figure:
    arrays = {name: model.pictures[name][:COUNT] for name in ("images", "outline", "warped")}
    count = len(arrays["images"])
    figure = Figure(figsize=(1.2 * count, 2.5), layout="constrained")
    for column in range(count):
        above, below = (figure.add_subplot(2, count, row * count + column + 1) for row in (0, 1))
        above.imshow(arrays["images"][column], cmap="gray", vmin=0, vmax=1, extent=(-1, 1, 1, -1))
        x, y = arrays["outline"][column].T
        above.fill(x, y, fill=False, edgecolor="#ffb000", linewidth=1.5)
        above.plot(x[0], y[0], "o", color="#ffb000", markersize=5)
        above.set(xlim=(-1.2, 1.2), ylim=(1.2, -1.2))
        below.imshow(arrays["warped"][column], cmap="gray", vmin=0, vmax=1)
        for axes in (above, below):
            axes.set_axis_off()
    return figure
