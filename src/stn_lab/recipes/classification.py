"""How a cell is trained and measured whose network answers with classes: all tables but co-localisation."""

from pathlib import Path
from typing import Any

import lightning as L
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from torch import Tensor, nn

from spatial_transformer import ParallelTransformers, SpatialTransformer

from ..data import Splits
from ..report.strip import COUNT, draw_strip
from ..training.config import Machine
from ..training.data_module import Batches
from ..training.evaluation import load_weights
from ..training.module import ClassifierTraining
from ..training.pictures import OUTLINE, frame
from ..training.run import measure, train
from .table import Cell

PICTURE = "picture.png"


def classify(cell: Cell, splits: Splits[Any], folder: Path, machine: Machine) -> dict[str, Any]:
    """Train a network on the scene of its column and measure it at its best checkpoint, chosen by validation.

    Raises:
        UserError: the machine cannot be used as asked, or a checkpoint in `folder` is damaged.
        Interrupted: Ctrl-C; `folder` holds what is needed to go on.
    """
    budget = cell.budget
    L.seed_everything(budget.seed, verbose=False)
    data = Batches(splits, cell.scene, budget)
    network = cell.build()
    how = train(ClassifierTraining(network, budget), data, folder, budget=budget, machine=machine)
    best_step = load_weights(network, folder / "best.ckpt")
    if (cell.row.name, cell.column) in cell.table.pictured:
        draw_attention(network, data.test[0][0], folder / PICTURE)
    return {**measure(network, data.test, data.validation), "best_step": best_step, **how}


@torch.inference_mode()
def draw_attention(network: nn.Module, images: Tensor, path: Path) -> None:
    """Draw what the first transformer of a network, or the first set of parallel ones, makes of (N, C, H, W) images."""
    transformers = (m for m in network.modules() if isinstance(m, SpatialTransformer | ParallelTransformers))
    transformer = next(transformers)
    images = images[:COUNT]
    warped, theta = transformer(images, return_theta=True)
    if isinstance(transformer, SpatialTransformer):
        warped, theta = warped[:, None], theta[:, None]  # one of one: (N, K, C, h, w), (N, K, P)
    outlines = transformer.family.points(theta.flatten(0, 1), frame(OUTLINE).to(theta)).unflatten(0, theta.shape[:2])
    figure = draw_strip(images.numpy(), outlines.numpy(), warped.numpy())
    FigureCanvasAgg(figure).print_png(path)
