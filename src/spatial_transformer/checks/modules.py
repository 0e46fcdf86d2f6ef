"""Checks of the parts of a network."""

from collections.abc import Sequence

from torch import Tensor

from .arguments import at_least, shape
from .coordinates import theta
from .values import readable


def localiser(value: object) -> int:
    """Return the number of features that `value` says it returns."""
    out_features = getattr(value, "out_features", None)
    if not isinstance(out_features, int):
        raise TypeError(
            f"`localiser` must be a module with an attribute `out_features`, the length of the features it returns; "
            f"{type(value).__name__} has none. Set it: `localiser.out_features = ...`."
        )
    return out_features


def family(value: object) -> None:
    if not hasattr(value, "parameter_count"):
        name = value.__name__ if isinstance(value, type) else type(value).__name__
        repair = f" Write `{name}()`." if isinstance(value, type) else ""
        raise TypeError(f"`family` must be a family of transformations, such as `Affine()`; got {name}.{repair}")


def features(value: Tensor, out_features: int) -> None:
    if value.ndim != 2 or value.shape[1] != out_features:
        raise ValueError(
            f"`localiser` must return features of shape (N, {out_features}), as its `out_features` says; "
            f"got {shape(value)}."
        )


def norm_over_rows(shapes: Sequence[Sequence[int]], columns: int) -> None:
    """A weight norm has a length for each row, or one for all, in `shapes`; the columns begin at zero."""
    lengths = [tuple(shape) for shape in shapes if tuple(shape) == (1, columns)]
    directions = [tuple(shape) for shape in shapes if len(shape) == 2 and shape[1] == columns]
    if lengths and len(directions) > 1:
        raise ValueError(
            f"`weight_norm` of the regression layer must be over rows, `dim=0`, or over all, `dim=None`; got `dim=1`, "
            f"a length for each of {columns} columns. They are zero at the start and have no direction: theta would be "
            "NaN. Pass `dim=0`, the default."
        )


def steps(value: int, family: object) -> int:
    at_least("steps", value, 1)
    if value > 1 and not hasattr(family, "compose"):
        raise ValueError(
            f"`steps` must be 1 for `{family}`, which has no `compose`: two such warps in a row are no third one. Use "
            f"a family that is a group, such as `Affine`, or two transformers in an `nn.Sequential`; got {value}."
        )
    return value


def starts(family: str, count: int, value: Tensor) -> None:
    """(K, P) thetas, all different."""
    theta(family, count, value)
    if not len(value):
        raise ValueError(f"`starts` must hold at least one theta; got {shape(value)}.")
    if not readable(value):
        return
    near = (value[:, None] - value).abs().amax(dim=2) <= 1e-4  # (K, K)
    pairs = near.triu(diagonal=1).nonzero().tolist()
    if pairs:
        first, second = pairs[0]
        raise ValueError(
            f"`starts` must all differ: {first} and {second} are the same place, from where both transformers would "
            "go the same way. Pass `tile_starts(family, (1, 2))`."
        )
