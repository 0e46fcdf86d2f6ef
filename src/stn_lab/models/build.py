"""From the name of a model to the network, as wide as the comparison asks for."""

import bisect
import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn

import spatial_transformer as st

from ..errors import UserError
from .classifier import DigitClassifier, cnn, fcn
from .spec import Canvas, ModelSpec

FAMILIES: dict[str, Callable[[], st.Family]] = {
    "translation": st.Translation,
    "attention": st.Attention,
    "rigid": st.Rigid,
    "similarity": st.Similarity,
    "affine": st.Affine,
    "projective": st.Projective,
    "piecewise-affine": functools.partial(st.PiecewiseAffine, control=(4, 4)),
    "tps": st.ThinPlateSpline,
    "bspline": functools.partial(st.BSpline, control=(4, 4)),
    "velocity": functools.partial(st.Velocity, control=(4, 4)),
}

# The widths tried when a network is matched to another one's number of parameters.
WIDTHS = range(4, 513)


def build(spec: ModelSpec, scene: Canvas, *, filters: int) -> DigitClassifier:
    """The network of a model, with as many parameters as the comparison allows.

    The measure is the plain CNN with `filters` filters per layer on the same canvas. Every other network is given the
    width that brings its total, localisation network included, nearest to that: the paper compares networks of
    "approximately the same" size.

    Args:
        spec: which model.
        scene: says what the images and the answers are, and whether a transformer's output is pooled.
        filters: of each convolution of the plain CNN, 32 to 64 in the paper.

    Raises:
        UserError: the measure is too small, for instance because the localisation network alone is larger.
    """
    if spec.network == "cnn" and spec.family is None:
        return _network(spec, scene, filters)

    def size(width: int, like: ModelSpec = spec) -> int:
        with torch.device("meta"):  # shapes without memory
            return count_parameters(_network(like, scene, width))

    target = size(filters, ModelSpec("cnn", "cnn", None))
    above = bisect.bisect_left(WIDTHS, target, key=size)
    width = min(WIDTHS[max(above - 1, 0) : above + 1], key=lambda width: abs(size(width) - target))
    if abs(size(width) - target) > 0.05 * target:
        raise UserError(
            f"--filters {filters} makes a CNN of {target:,} parameters, which {spec.label} cannot match: its nearest "
            f"size is {size(width):,}; take more filters"
        )
    return _network(spec, scene, width)


def _network(spec: ModelSpec, scene: Canvas, width: int) -> DigitClassifier:
    classifier = fcn if spec.network == "fcn" else cnn
    channels, side, classes = scene.channels, scene.side, scene.classes
    if spec.family is None:
        return DigitClassifier(classifier(channels, side, width, classes))
    warped, pool = _output(spec, scene)
    seen = warped // 2 if pool else warped
    transformer = _transformer(spec, scene, warped)
    return DigitClassifier(classifier(channels * spec.transformers, seen, width, classes), transformer, pool)


def _output(spec: ModelSpec, scene: Canvas) -> tuple[int, bool]:
    """The side of a transformer's output, and whether that is pooled."""
    if spec.crop is not None:
        return spec.crop, False
    if spec.antialias and scene.pool:
        return scene.side // 2, False
    return scene.side, scene.pool


def _transformer(spec: ModelSpec, scene: Canvas, side: int) -> st.SpatialTransformer | st.ParallelTransformers:
    assert spec.family is not None
    localiser = functools.partial(_localiser, spec, scene)
    family, size = FAMILIES[spec.family](), (side, side)
    if spec.transformers > 1:
        localisers = [localiser() for _ in range(spec.transformers)]
        starts = _apart(spec.family, spec.transformers)
        return st.ParallelTransformers(localisers, family, starts, size, mode=spec.mode, antialias=spec.antialias)
    return st.SpatialTransformer(localiser(), family, size, mode=spec.mode, antialias=spec.antialias, steps=spec.looks)


def _localiser(spec: ModelSpec, scene: Canvas) -> nn.Module:
    if spec.network == "cnn":
        return st.PaperCNNLocaliser(scene.channels, (scene.side,) * 2)
    if not spec.halved:
        return st.PaperFCNLocaliser(scene.channels, (scene.side,) * 2)
    localiser = st.PaperFCNLocaliser(scene.channels, (scene.side // 2,) * 2)
    localiser.insert(0, nn.AvgPool2d(2))
    return localiser


@functools.cache
def _apart(family: str, count: int) -> Tensor:
    """(count, P) starts next to the identity: the whole image, moved sideways by up to 5 % of its width.

    The paper starts all of them at the identity. Here they differ by the little that `ParallelTransformers` asks for.
    """
    with torch.device("cpu"):
        at = st.target_points((8, 8)).flatten(1, 2)  # (1, 64, 2)
        sideways = torch.tensor([0.1, 0.0]) * torch.linspace(-1, 1, count)[:, None, None]  # (count, 1, 2)
        return st.fit_points(FAMILIES[family](), at.expand(count, -1, -1), at + sideways).float()


def count_parameters(network: nn.Module) -> int:
    """How many numbers training may change."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def count_localising_parameters(network: nn.Module) -> int:
    """How many of them say where to look."""
    groups = st.parameter_groups(network, lr=1.0, localiser_lr_scale=0.5)  # the two are told apart by their rates
    return sum(p.numel() for group in groups if group["lr"] == 0.5 for p in group["params"])
