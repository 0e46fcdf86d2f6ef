"""From the name of a model to the network, as wide as the comparison asks for."""

import bisect
import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn

import spatial_transformer as st
from spatial_transformer.regression import Regression

from ..errors import UserError
from .backbones import Weights, backbone
from .classifier import DigitClassifier, cnn, fcn
from .residual import residual
from .spec import TIMM, Canvas, ModelSpec

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

MATCHED = 0.08  # the largest difference in size: narrow residual networks cannot be matched more closely
# The widths tried when a network is matched to another one's number of parameters.
WIDTHS = range(4, 513)


Builder = Callable[[int, tuple[int, int], int, int], nn.Module]
CLASSIFIERS: dict[str, Builder] = {"fcn": fcn, "cnn": cnn, "resnet": residual}


def build(spec: ModelSpec, canvas: Canvas, *, filters: int, weights: Weights = "none") -> DigitClassifier:
    """The network of a model, with as many parameters as the comparison allows; those of timm are as large as they are.

    The measure is the plain CNN with `filters` filters per layer on the same canvas; for residual networks the plain
    residual network that begins with a quarter as many. Every other network is given the width that brings its total,
    localisation network included, nearest to that: the paper compares networks of "approximately the same" size.

    Args:
        spec: which model.
        canvas: says what the images and the answers are, and whether a transformer's output is pooled.
        filters: of each convolution of the plain CNN, 32 to 64 in the paper.
        weights: that a network of timm begins with; see `backbone`.

    Raises:
        UserError: the measure is too small, for instance because the localisation network alone is larger; the images
            are too small; or timm does not have the network, or not its weights.
    """
    if spec.network.startswith(TIMM):
        return _network_of_timm(spec, canvas, weights)
    spec.check_size(canvas.size)
    plain = "resnet" if spec.network == "resnet" else "cnn"
    first = max(4, filters // 4) if plain == "resnet" else filters
    if spec.network == plain and spec.family is None:
        return _network(spec, canvas, first)

    def size(width: int, like: ModelSpec = spec) -> int:
        with torch.device("meta"):  # shapes without memory
            return count_parameters(_network(like, canvas, width))

    kind = {"cnn": "CNN", "resnet": "residual network"}[plain]
    target = size(first, ModelSpec(plain, plain, None))
    above = bisect.bisect_left(WIDTHS, target, key=size)
    width = min(WIDTHS[max(above - 1, 0) : above + 1], key=lambda width: abs(size(width) - target))
    if abs(size(width) - target) > MATCHED * target:
        raise UserError(
            f"--filters {filters} makes a {kind} of {target:,} parameters, which {spec.label} cannot match: "
            f"its nearest size is {size(width):,}; take more filters"
        )
    return _network(spec, canvas, width)


def _network(spec: ModelSpec, canvas: Canvas, width: int) -> DigitClassifier:
    classifier = CLASSIFIERS[spec.network]
    if spec.family is None:
        return DigitClassifier(classifier(canvas.channels, canvas.size, width, canvas.classes))
    warped, seen, pool = _output(spec, canvas)
    transformer = _transformer(spec, canvas, warped)
    return DigitClassifier(
        classifier(canvas.channels * spec.transformers, seen, width, canvas.classes), transformer, pool
    )


def _network_of_timm(spec: ModelSpec, canvas: Canvas, weights: Weights) -> DigitClassifier:
    """Behind a transformer of the image, or with one of the map that a layer is given."""
    name = spec.network.removeprefix(TIMM)
    if spec.family is None or spec.before is not None:
        classifier = backbone(name, canvas.channels, canvas.size, canvas.classes, weights)
        if spec.before is not None:
            _insert(classifier.network, spec, canvas)
        return DigitClassifier(classifier)
    warped, seen, pool = _output(spec, canvas)
    classifier = backbone(name, canvas.channels * spec.transformers, seen, canvas.classes, weights)
    return DigitClassifier(classifier, _transformer(spec, canvas, warped), pool)


def _insert(network: nn.Module, spec: ModelSpec, canvas: Canvas) -> None:
    assert spec.family is not None
    assert spec.before is not None
    example = torch.zeros(1, canvas.channels, *canvas.size)
    try:
        st.insert(network, spec.before, family=FAMILIES[spec.family](), example=example, steps=spec.looks)
    except ValueError as error:
        raise UserError(f"{spec.label}: no transformer can stand there. {error}") from error


def _output(spec: ModelSpec, canvas: Canvas) -> tuple[tuple[int, int], tuple[int, int], bool]:
    """The size of a transformer's output, that of what the classifier sees of it, and whether it is pooled between."""
    height, width = canvas.size
    half = height // 2, width // 2
    if spec.crop is not None:
        return (spec.crop, spec.crop), (spec.crop, spec.crop), False
    if not canvas.pool:
        return canvas.size, canvas.size, False
    return (half, half, False) if spec.antialias else (canvas.size, half, True)


def _transformer(
    spec: ModelSpec, canvas: Canvas, size: tuple[int, int]
) -> st.SpatialTransformer | st.ParallelTransformers:
    assert spec.family is not None
    localiser = functools.partial(_localiser, spec, canvas)
    family = FAMILIES[spec.family]()
    if spec.transformers > 1:
        localisers = [localiser() for _ in range(spec.transformers)]
        starts = _apart(spec.family, spec.transformers)
        return st.ParallelTransformers(localisers, family, starts, size, mode=spec.mode, antialias=spec.antialias)
    return st.SpatialTransformer(localiser(), family, size, mode=spec.mode, antialias=spec.antialias, steps=spec.looks)


def _localiser(spec: ModelSpec, canvas: Canvas) -> nn.Module:
    if spec.localiser == "keypoints" or spec.network == "resnet" or spec.network.startswith(TIMM):
        return st.KeypointLocaliser(canvas.channels)
    if spec.network == "cnn":
        return st.PaperCNNLocaliser(canvas.channels, canvas.size)
    if not spec.halved:
        return st.PaperFCNLocaliser(canvas.channels, canvas.size)
    height, width = canvas.size
    localiser = st.PaperFCNLocaliser(canvas.channels, (height // 2, width // 2))
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
    return sum(p.numel() for p in network.parameters() if p.requires_grad) - _idle(network)


def count_localising_parameters(network: nn.Module) -> int:
    """How many of them say where to look."""
    groups = st.parameter_groups(network, lr=1.0, localiser_lr_scale=0.5)  # the two are told apart by their rates
    return sum(p.numel() for group in groups if group["lr"] == 0.5 for p in group["params"]) - _idle(network)


def _idle(network: nn.Module) -> int:
    """How many weights multiply nothing: a column of each regression layer, which gets no gradient."""
    return sum(layer.out_features for layer in network.modules() if isinstance(layer, Regression))
