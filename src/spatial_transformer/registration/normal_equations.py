"""The quadratic model of a measure around a theta, from one pass over the pixels.

With the columns `A = [J, W, F, 1]` for every pixel (the derivatives of the warped image with respect to theta, the
warped image, the fixed one, and ones) and the weights w of the overlap, `A^T diag(w) A` holds all sums that the mean
squared error and the normalised cross-correlation need, with their gradients and Gauss-Newton Hessians. It is summed
over blocks of pixels, so memory does not grow with the image.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ..coordinates import target_points
from ..families import Family, MatrixFamily
from ..homography import HORIZON, transform
from ..sampling import sample
from .pyramid import Level

BLOCK = 2**16  # pixels at once, so that a block stays in the cache


class Model(NamedTuple):
    """A measure around theta.

    Attributes:
        loss: (N,) its value; infinite where nothing overlaps.
        gradient: (N, P).
        hessian: (N, P, P), of Gauss and Newton: positive semi-definite.
        overlap: (N,) the sum of the weights over the number of pixels of the fixed image.
    """

    loss: Tensor
    gradient: Tensor
    hessian: Tensor
    overlap: Tensor


def sums(level: Level, family: Family, theta: Tensor) -> Tensor:
    """`A diag(w) A^T`, (N, P+3, P+3) in float64, with a row for each of the columns above.

    Within a block the derivatives of matrices are summed in the precision of the images: that steps are right to six
    digits is enough. Which of two thetas is the better one is not, so what the loss is made of is float64 throughout.
    """
    size, channels = level.fixed.shape[2:], level.fixed.shape[1]
    at = target_points(size, dtype=theta.dtype, device=theta.device).flatten(1, -2)  # (1, K, D)
    fixed, chosen = level.fixed.flatten(2), level.chosen()  # (N, C, K), the numbers of those that are looked at
    derivatives = _Matrices(family, theta) if isinstance(family, MatrixFamily) else _Points(family, theta)
    total = torch.zeros((), dtype=torch.float64, device=theta.device)
    block = max(1, BLOCK // max(1, len(theta) * channels))
    for begin in range(0, len(chosen), block):
        here = chosen[begin : begin + block] if level.every > 1 else slice(begin, begin + block)
        points, jacobian_of = derivatives.at(at[:, here])  # (N, K, D)
        warped, slope = _read(level, points)  # (N, C, K), (N, C, D, K)
        others = torch.stack([warped, fixed[..., here], torch.ones_like(warped)], dim=2)  # (N, C, 3, K)
        rows = torch.cat([jacobian_of(slope), others], dim=2).transpose(1, 2).flatten(2)  # (N, Q+3, C K)
        weighted = rows * level.overlap(points, here).repeat(1, channels)[:, None]
        product = (weighted @ rows.mT).double()
        product[:, -3:, -3:] = weighted[:, -3:].double() @ rows[:, -3:].double().mT  # the loss is exact
        total = total + product
    return derivatives.of_theta(total)


class _Points:
    """Derivatives of the warped image with respect to theta, by way of the points, for every family."""

    def __init__(self, family: Family, theta: Tensor) -> None:
        self.family, self.theta = family, theta

    def at(self, target: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """The (N, K, D) source points of (1, K, D) target points; a function from (N, C, D, K) to (N, C, P, K)."""
        each = torch.eye(self.theta.shape[1], dtype=self.theta.dtype, device=self.theta.device)

        def along(tangent: Tensor) -> Tensor:
            tangents = tangent.expand_as(self.theta)
            return torch.func.jvp(lambda theta: self.family.points(theta, target), (self.theta,), (tangents,))[1]

        by_theta = torch.func.vmap(along)(each)  # (P, N, K, D)
        return self.family.points(self.theta, target), lambda slope: torch.einsum(
            "ncdk,pnkd->ncpk", slope, by_theta
        ).double()

    def of_theta(self, total: Tensor) -> Tensor:
        return total


class _Matrices:
    """The same for families of matrices, much faster: with respect to the entries, and from them to theta at the end.

    With a homogeneous target point p and its source point u = (M p)_1..D / w, w = (M p)_D+1, the derivative along a
    slope g is `g_d p / w` for the entries of row d, and `-(g . u) p / w` for those of the last row.
    """

    def __init__(self, family: MatrixFamily, theta: Tensor) -> None:
        self.rows = family.rows(theta)  # (N, R, D+1)
        entries = self.rows.shape[1] * self.rows.shape[2]
        with torch.enable_grad():  # every entry's derivatives by one pass back, as each has a theta of its own
            each = theta.detach().repeat(entries, 1).requires_grad_()
            rows = family.rows(each).view(entries, len(theta), entries)
            (by_theta,) = torch.autograd.grad(rows.diagonal(dim1=0, dim2=2).sum(), each)
        self.by_theta = by_theta.view(entries, *theta.shape).permute(1, 2, 0).double()  # (N, P, R (D+1))

    def at(self, target: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        points = transform(self.rows, target)  # (N, K, D)
        homogeneous = torch.cat([target, torch.ones_like(target[..., :1])], dim=-1).mT  # (1, D+1, K)
        weight = (self.rows[:, -1:] @ homogeneous) if self.rows.shape[1] > points.shape[-1] else None  # (N, 1, K)

        def jacobian(slope: Tensor) -> Tensor:  # (N, C, D, K) to (N, C, R (D+1), K)
            if weight is not None:
                last = -(slope * points.mT[:, None]).sum(dim=2, keepdim=True)
                behind = weight <= HORIZON
                slope = torch.cat([slope, last], dim=2) / torch.where(behind, torch.inf, weight)[:, None]
            return (slope[:, :, :, None] * homogeneous[:, None, None]).flatten(2, 3)

        return points, jacobian

    def of_theta(self, total: Tensor) -> Tensor:
        entries, others = self.by_theta.shape[2], total.shape[1] - self.by_theta.shape[2]
        eye = torch.eye(others, dtype=total.dtype, device=total.device).expand(len(total), -1, -1)
        change = total.new_zeros(len(total), self.by_theta.shape[1] + others, entries + others)
        change[:, : self.by_theta.shape[1], :entries] = self.by_theta
        change[:, self.by_theta.shape[1] :, entries:] = eye
        return change @ total @ change.mT


def _read(level: Level, points: Tensor) -> tuple[Tensor, Tensor]:
    """(N, C, K) samples of the moving image and their slopes, (N, C, D, K)."""
    with torch.enable_grad():
        points = points.detach().requires_grad_()
        warped = sample(level.moving, points, mode=level.mode, padding="border")
        slopes = [
            torch.autograd.grad(warped[:, c].sum(), points, retain_graph=True)[0].mT for c in range(warped.shape[1])
        ]
    return warped.detach(), torch.stack(slopes, dim=1)


def mse_model(total: Tensor, pixels: int) -> Model:
    """Of the mean squared difference."""
    p = total.shape[1] - 3
    count = total[:, -1, -1]
    mean = total / _or_one(count)[:, None, None]
    apart = mean[:, :, p] - mean[:, :, p + 1]  # (N, P+3): products of the columns with W - F
    loss = apart[:, p] - apart[:, p + 1]
    return _model(loss.clamp_min(0), 2 * apart[:, :p], 2 * mean[:, :p, :p], count, pixels)


def ncc_model(total: Tensor, pixels: int) -> Model:
    """Of one minus the normalised cross-correlation.

    The model is that of the least squared difference over all gains and offsets of the warped image: mean and gain are
    projected out of the columns, as in Evangelidis and Psarakis (2008).
    """
    p = total.shape[1] - 3
    count = total[:, -1, -1]
    centred = total - total[:, :, -1:] * total[:, -1:, :] / _or_one(count)[:, None, None]
    moving, fixed = centred[:, p, p], centred[:, p + 1, p + 1]  # (N,)
    varies = (moving > 0) & (fixed > 0)
    scale = torch.where(varies, (moving * fixed).sqrt(), 1)
    correlation = torch.where(varies, centred[:, p, p + 1], 0) / scale
    by_moving = centred[:, :p, p] / _or_one(moving)[:, None]  # the part of each column along the warped image
    gradient = (centred[:, :p, p + 1] - by_moving * centred[:, p, p + 1, None]) / -scale[:, None]
    hessian = centred[:, :p, :p] - by_moving[:, :, None] * by_moving[:, None] * moving[:, None, None]
    hessian = hessian * (correlation.clamp_min(LEAST_GAIN) / _or_one(moving))[:, None, None]
    return _model(1 - correlation, gradient, hessian, count, pixels)


LEAST_GAIN = 0.1  # where the images hardly correlate, steps are no longer than at this correlation


def _model(loss: Tensor, gradient: Tensor, hessian: Tensor, count: Tensor, pixels: int) -> Model:
    return Model(torch.where(count > 0, loss, torch.inf), gradient, hessian, count / pixels)


def _or_one(value: Tensor) -> Tensor:
    return torch.where(value > 0, value, 1)


MODELS: dict[str, Callable[[Tensor, int], Model]] = {"mse": mse_model, "ncc": ncc_model}
