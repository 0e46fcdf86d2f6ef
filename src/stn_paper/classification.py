"""How a cell is trained and measured whose network answers with classes: all tables but co-localisation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from stn_lab.digits.applied import applied_poses
from stn_lab.digits.distortions import Distortion
from stn_lab.poses import pose_of_region, undone
from stn_lab.regions import Transformer, thetas
from stn_lab.tasks.scene import Splits
from stn_lab.tasks.scene_task import SceneTask
from stn_lab.tasks.stream import TEST_SEED
from stn_lab.training.config import Machine
from stn_lab.training.learn import learn

from . import attention
from .table import Cell


def classify(
    cell: Cell,
    splits: Splits[Any],
    folder: Path,
    machine: Machine,
    *,
    prepare: Callable[[nn.Module], None] = lambda _: None,
    inspect: Callable[[nn.Module], dict[str, Any]] = lambda _: {},
) -> dict[str, Any]:
    """Train a network on the scene of its column and measure it at its best checkpoint, chosen by validation.

    Args:
        cell: which.
        splits: its sets of images.
        folder: to work in.
        machine: where to train.
        prepare: given the network before it is trained.
        inspect: given the network after; what it returns is added to the result.

    Raises:
        UserError: the machine cannot be used as asked, or a checkpoint in `folder` is damaged.
        Interrupted: Ctrl-C; `folder` holds what is needed to go on.
    """
    torch.manual_seed(cell.seed)
    task = SceneTask(splits, cell.scene)
    network = cell.build()
    prepare(network)
    how = learn(task, network, folder, cell.budget, machine)
    result = {**task.measure(network), **how, **inspect(network)}
    transformer, images = attention.first_transformer(network), task.test[0][0]
    if transformer is not None and transformer.family.dims == 2:
        with torch.inference_mode():
            warped, theta = transformer(images, return_theta=True)
        if isinstance(cell.scene, Distortion):
            result["undone"] = _undone(cell.scene, task, transformer)
        result["pixels_read_percent"] = attention.pixels_read(images, transformer.family, theta)
        if cell.is_pictured:
            attention.draw(images, transformer.family, theta, warped, folder / attention.PICTURE)
    return result


@torch.inference_mode()
def _undone(scene: Distortion, task: SceneTask, transformer: Transformer) -> dict[str, Any]:
    """How much of what was done to the test digits the transformer undoes; of several, the first."""
    theta = torch.cat([thetas(transformer, images)[:, 0] for images, _ in task.test])  # (T, P)
    applied = applied_poses(scene, len(task.splits.test), TEST_SEED)
    return undone(applied, pose_of_region(transformer.family, theta, scene.size), "distortion")
