"""Several transformers side by side on one input: for several objects, or several parts of one."""

from collections.abc import Sequence
from typing import Literal, final, overload

import torch
from torch import Tensor, nn

from . import checks
from .constants import plainly
from .coordinates import target_points
from .families import Family, MatrixFamily
from .guards.bound import Bound
from .landmarks import fit_points
from .matrices import scale_matrix, translation_matrix
from .regression import Regression
from .sampling import Mode, Padding
from .warping import warp


@final
class ParallelTransformers(nn.Module):
    """Warp one input several times, by transformations that are all predicted from it.

    Each transformer has a start of its own. Two that start at one place get the same gradients and stay together, and
    the network has one object or part less to look at.

    The starts are no weights: they are not in the state dict, and what loads one is made with the same.

    The layers behind take the K warps apart or together: `.flatten(1, 2)` puts them into one image of K C channels (as
    `nn.Flatten(1, 2)` in a `Sequential`), `.flatten(0, 1)` into one batch of N K images, `.unbind(1)` into K batches.

    Args:
        localiser: one module for all, which returns (N, F) features and says `out_features`; or a list of K, one for
            each.
        family: the family of all transformations.
        starts: (K, P) thetas where the K transformers begin, all different; `tile_starts` spreads them over the image.
        size: (H, W) or (D, H, W) of each output; that of the input by default.
        mode: as in `sample`.
        padding: as in `sample`.
        antialias: as in `warp`.
        bound: limits for theta, shared by all; in between, each one's start is left as it is.

    Raises:
        TypeError: a localiser does not say `out_features`, or `family` is not a family.
        ValueError: `starts` is not (K, P), or two of them are equal; another number of localisers; a size, mode or
            padding that does not fit; a start outside of `bound`.

    Source: Jaderberg et al. (2015), section 3.4; section 4.3 and appendix A.6 for the shared localiser, the start and
    the windows of half size that only move, which are those of the example.

    Example:
        >>> from spatial_transformer import Attention, ConvLocaliser
        >>> from spatial_transformer.guards import Bound
        >>> family = Attention()
        >>> parts = ParallelTransformers(
        ...     ConvLocaliser(in_channels=3),
        ...     family,
        ...     starts=tile_starts(family, (1, 2)),
        ...     size=(16, 16),
        ...     bound=Bound(low=(0.5, -1, -1), high=(0.5, 1, 1)),  # the scale is frozen
        ... )
        >>> warped, theta = parts(torch.rand(8, 3, 32, 32), return_theta=True)
        >>> warped.shape, theta[0].tolist()
        (torch.Size([8, 2, 3, 16, 16]), [[0.5, -0.5, 0.0], [0.5, 0.5, 0.0]])
    """

    def __init__(
        self,
        localiser: nn.Module | Sequence[nn.Module],
        family: Family,
        starts: Tensor,
        size: Sequence[int] | None = None,
        *,
        mode: Mode = "bilinear",
        padding: Padding = "zeros",
        antialias: bool | int = False,
        bound: Bound | None = None,
    ) -> None:
        super().__init__()
        checks.family(family)
        checks.starts(str(family), family.parameter_count, starts)
        checks.mode(mode)
        checks.padding(padding, family.dims, mode=mode)
        checks.antialias(antialias)
        one_each = isinstance(localiser, Sequence | nn.ModuleList)
        localisers: list[nn.Module] = list(localiser) if one_each else [localiser]  # type: ignore[arg-type, list-item]
        groups = starts[:, None] if one_each else starts[None]  # (L, K / L, P), for L localisers
        if len(localisers) != len(groups):
            raise ValueError(
                f"`localiser` must be one module or {len(groups)}, one for each start; got {len(localisers)}."
            )
        widths = [checks.localiser(module) for module in localisers]
        self.localisers = nn.ModuleList(localisers)
        self.regressions = nn.ModuleList(Regression(f, group, bound) for f, group in zip(widths, groups, strict=True))
        self.family = family
        self.count = len(starts)
        self.size = None if size is None else checks.size("size", size, dims=family.dims)
        self.mode = mode
        self.padding = padding
        self.antialias = antialias

    @torch.no_grad()
    def reset_to_starts(self) -> None:
        """Every transformer back to where it began."""
        for regression in self.regressions:
            regression.reset_to_start()  # type: ignore[operator]

    def theta(self, image: Tensor) -> Tensor:
        """The transformations predicted for each image.

        Args:
            image: (N, C, H, W) or (N, C, D, H, W).

        Returns:
            (N, K, P) parameters of `family`, float32 or wider whatever the precision of the network.
        """
        pairs = zip(self.localisers, self.regressions, strict=True)
        return torch.cat([regression(localiser(image)) for localiser, regression in pairs], dim=1)

    @overload
    def forward(self, image: Tensor, return_theta: Literal[False] = ...) -> Tensor: ...
    @overload
    def forward(self, image: Tensor, return_theta: Literal[True]) -> tuple[Tensor, Tensor]: ...

    def forward(self, image: Tensor, return_theta: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Predict K thetas and warp by each.

        Args:
            image: (N, C, H, W) or (N, C, D, H, W).
            return_theta: also return the (N, K, P) parameters.

        Returns:
            (N, K, C, *size), or that and theta.

        Raises:
            ValueError: `image` has a shape that does not fit the family.
        """
        checks.image(image, self.family.dims)
        theta = self.theta(image)  # (N, K, P)
        count = image.shape[0]
        which = torch.arange(count, device=image.device).repeat_interleave(self.count)  # (N K,): 0 0 1 1 2 2 ...
        options = {"mode": self.mode, "padding": self.padding, "antialias": self.antialias}
        warped = warp(image, self.family, theta.flatten(0, 1), self.size, index=which, **options)  # type: ignore[arg-type]
        warped = warped.unflatten(0, (count, self.count))  # (N, K, C, *size)
        return (warped, theta) if return_theta else warped

    def extra_repr(self) -> str:
        return f"count={self.count}, size={self.size}, mode={self.mode!r}, padding={self.padding!r}"


def tile_starts(family: Family, tiles: Sequence[int], *, scale: float | None = None) -> Tensor:
    """Windows spread evenly over the image, as starts for `ParallelTransformers`.

    Args:
        family: the family of transformations.
        tiles: (rows, columns) or (depth, rows, columns): how many windows along each axis.
        scale: the size of every window as a part of the image's; by default 1 / the largest of `tiles`, which fills
            the longer axis without overlap. Families without a scale, such as `Rigid`, need 1.

    Returns:
        (K, P) parameters for K = rows columns windows, row by row.

    Raises:
        ValueError: `tiles` does not fit the family, or the family cannot hold windows of this scale.

    Source: Jaderberg et al. (2015), appendix A.6: the windows start tiling the image plane.

    Example:
        >>> from spatial_transformer import Attention
        >>> tile_starts(Attention(), (2, 2)).tolist()
        [[0.5, -0.5, -0.5], [0.5, 0.5, -0.5], [0.5, -0.5, 0.5], [0.5, 0.5, 0.5]]
    """
    checks.family(family)
    tiles = checks.size("tiles", tiles, dims=family.dims)
    scale = checks.positive("scale", 1 / max(tiles) if scale is None else scale)
    place = torch.empty(0).device
    with plainly():
        starts = _windows(family, target_points(tiles, dtype=torch.float64).reshape(-1, family.dims), scale).float()
    return starts if place.type == "meta" else starts.to(place)  # there they would be lost


def _windows(family: Family, centres: Tensor, scale: float) -> Tensor:
    if isinstance(family, MatrixFamily):
        matrix = translation_matrix(centres) @ scale_matrix(torch.full_like(centres, scale))
        try:
            return family.from_matrix(matrix)
        except ValueError as error:
            raise ValueError(_too_stiff(family, scale)) from error
    return _fitted_windows(family, centres, scale)


def _fitted_windows(family: Family, centres: Tensor, scale: float) -> Tensor:
    # Twice as many points along each axis as a lattice of that many parameters has nodes.
    nodes = (family.parameter_count / family.dims) ** (1 / family.dims)
    at = target_points((max(4, round(2 * nodes)),) * family.dims, dtype=torch.float64).flatten(1, -2)  # (1, M, D)
    wanted = scale * at + centres[:, None]  # (K, M, D)
    theta = fit_points(family, at.expand_as(wanted), wanted)
    if not (family.points(theta, at) - wanted).abs().mean() <= 0.02:
        raise ValueError(_too_stiff(family, scale))
    return theta


def _too_stiff(family: Family, scale: float) -> str:
    return (
        f"`{family}` has no shifted windows of scale {scale:.3g}. Pass another `scale` (1 for families without one), "
        "or make `starts` by hand."
    )
