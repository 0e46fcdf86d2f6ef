"""Sampling kernels: how much a pixel counts at a distance from the point that is read.

The sampler of Jaderberg et al. (2015), equation 3, takes any kernel k(d; Phi). `sample` and `warp` know four by name;
the other ones here, and your own, are given as objects. A kernel of your own is a few lines:

    class Tent(Kernel):
        support = 2.0

        def weight(self, distance):
            return (2 - distance.abs()) / 4
"""

import itertools
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from numpy.polynomial import Polynomial
from torch import Tensor

from . import checks
from .prefilter import spline_coefficients


class Kernel(ABC):
    """A separable kernel: along each axis a pixel at signed distance d from the point is weighted by `weight(d)`.

    Attributes:
        support: half-width in pixels; pixels further away are not looked at.
        normalise: divide the weights of a point by their sum, so that a constant image stays constant.

    Source: Jaderberg et al. (2015), equation 3.
    """

    normalise: ClassVar[bool] = False

    @property
    @abstractmethod
    def support(self) -> float:
        """Half-width in pixels; a plain class attribute will do."""

    @property
    def blends(self) -> bool:
        """Whether a sample is made of several pixels, or of one times a weight. If not, labels can be read too."""
        return True

    @abstractmethod
    def weight(self, distance: Tensor) -> Tensor:
        """The weight of a pixel.

        Args:
            distance: position of the point minus that of the pixel, in pixels, any shape; within `support`. At a kink
                within the support the derivative should be the mean of the slopes on both sides, as of `abs` and
                `torch.maximum`, not that of one side, as of `clamp` and `torch.where`: a mirrored image then has the
                mirrored gradient. At the ends of the support the mean is taken for you.

        Returns:
            Weights of the same shape. Autograd differentiates them; parameters of the kernel may be learnt.
        """

    def prepare(self, image: Tensor, padding: tuple[str | float, ...]) -> tuple[Tensor, tuple[int, ...]]:
        """What is read instead of the pixels, (N, C, *size plus margins), and the margin put around each axis.

        The image itself, but for splines.
        """
        return image, (0,) * len(padding)

    def polynomials(self) -> np.ndarray | None:
        """The weights as polynomials of the fraction f of a position, which the compiled backends need.

        With T = 2 `support` taps per axis, f is the distance from the central pixel: in 0 <= f < 1 from the pixel below
        for even T, in -0.5 <= f < 0.5 from the nearest one for odd T.

        Returns:
            (T, T) coefficients, row t for tap t, column j for f to the power of j; None, as here, if the weights are no
            such polynomials, and only the reference backend can run the kernel.
        """
        return None

    @final
    def taps(self, position: Tensor, rounding: float = 0.0) -> list[tuple[Tensor, Tensor]]:
        """The pixels that positions touch along an axis.

        Args:
            position: (...) in pixels.
            rounding: how far off positions may be, in pixels.

        Returns:
            For each its index, (...) whole numbers in floating point, and its weight, (...).
        """
        support = checks.positive("support", self.support)
        first = (position.detach() - (support + rounding)).ceil()
        count = math.floor(2 * support) + 1
        pixels = [first + tap for tap in range(count)]
        outside = [(position.detach() - pixel).abs() - support for pixel in pixels]  # (...) how far
        weights = []
        for pixel, beyond in zip(pixels, outside, strict=True):
            weight = self.weight(torch.where(beyond <= rounding, position - pixel, 0))
            # At the very end of the support it is the mean of what is on both sides of the end.
            weights.append(torch.where(beyond < -rounding, weight, torch.where(beyond <= rounding, weight / 2, 0)))
        if self.normalise:
            total = torch.stack(weights).sum(dim=0)
            weights = [weight / total for weight in weights]
        # What is outside of the support is not looked at, but the first pixel that is not.
        inner = first + (outside[0] > rounding)
        pixels = [torch.where(beyond <= rounding, pixel, inner) for pixel, beyond in zip(pixels, outside, strict=True)]
        return list(zip(pixels, weights, strict=True))


@final
@dataclass(frozen=True)
class Nearest(Kernel):
    """The nearest pixel, the one at floor(x + 0.5): the paper's integer kernel (equation 4). Mode "nearest"."""

    support: ClassVar[float] = 0.5
    blends: ClassVar[bool] = False

    def weight(self, distance: Tensor) -> Tensor:
        return 0 * distance + 1  # constant; written so that theta gets a zero gradient rather than none

    def polynomials(self) -> np.ndarray:
        return np.ones((1, 1))


@final
@dataclass(frozen=True)
class Linear(Kernel):
    """Bilinear, in volumes trilinear interpolation (equation 5). Mode "bilinear"."""

    support: ClassVar[float] = 1.0

    def weight(self, distance: Tensor) -> Tensor:
        return 1 - distance.abs()

    def polynomials(self) -> np.ndarray:
        return np.array([[1.0, -1.0], [0.0, 1.0]])


@final
@dataclass(frozen=True)
class Cubic(Kernel):
    """Cubic convolution, Keys (1981). Mode "bicubic" is the default.

    Args:
        a: slope at distance 1; -0.75 is the choice of PyTorch and OpenCV, -0.5 reproduces quadratics.
    """

    a: float = -0.75
    support: ClassVar[float] = 2.0

    def weight(self, distance: Tensor) -> Tensor:
        a, d = self.a, distance.abs()
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        return torch.where(d < 1, near, far)

    def polynomials(self) -> np.ndarray:
        a, f = self.a, Polynomial([0, 1])
        near, far = Polynomial([1, 0, -(a + 3), a + 2]), Polynomial([-4 * a, 8 * a, -5 * a, a])
        return np.stack([piece.coef for piece in (far(1 + f), near(f), near(1 - f), far(2 - f))])


@final
@dataclass(frozen=True)
class BSpline(Kernel):
    """Interpolation by a B-spline: the smoothest there is for its support. Mode "bspline3" is order 3.

    The image is first replaced by the coefficients of the spline that passes through its pixels, and outside of it
    through what `padding` puts there; so a point on a pixel reads that pixel.

    Args:
        order: 0 (nearest) to 5.

    Raises:
        ValueError: another order.

    Source: Unser (1999).
    """

    order: int = 3

    def __post_init__(self) -> None:
        checks.spline_order(self.order)

    @property
    def support(self) -> float:
        return (self.order + 1) / 2

    @property
    def blends(self) -> bool:
        return self.order > 0

    def weight(self, distance: Tensor) -> Tensor:
        if self.order == 0:
            return Nearest().weight(distance)
        if self.order == 1:
            return Linear().weight(distance)
        return spline(self.order, distance)

    def polynomials(self) -> np.ndarray:
        taps = self.order + 1
        weights = [Polynomial([0.0]) for _ in range(taps)]
        for tap, k in itertools.product(range(taps), range(taps)):
            # Truncated powers, counted from the right end of the spline; within a cell a power is cut off or it is not.
            inward = taps / 2 - k - Polynomial([(taps - 1) // 2 - tap, 1])
            if inward(0.5 if taps % 2 == 0 else 0.0) > 0:
                weights[tap] += (-1) ** k * math.comb(taps, k) * inward**self.order / math.factorial(self.order)
        return np.stack([np.pad(weight.coef, (0, taps - len(weight.coef))) for weight in weights])

    def prepare(self, image: Tensor, padding: tuple[str | float, ...]) -> tuple[Tensor, tuple[int, ...]]:
        if self.order < 2:
            return image, (0,) * len(padding)
        return spline_coefficients(image, self.order, padding)


def spline(order: int, distance: Tensor) -> Tensor:
    """The centred B-spline of an order above 1, as a sum of truncated powers counted from its nearer end."""
    total = torch.zeros_like(distance)
    inward = (order + 1) / 2 - distance.abs()  # from the end of the support
    for k in range(order // 2 + 1):
        total = total + (-1) ** k * math.comb(order + 1, k) * (inward - k).clamp(min=0) ** order
    return total / math.factorial(order)


@final
@dataclass(frozen=True)
class Lanczos(Kernel):
    """A windowed sinc: sharp, with a little ringing. Weights are normalised.

    Args:
        lobes: half-width in pixels, 2 or more; OpenCV's INTER_LANCZOS4 is 4.

    Raises:
        ValueError: `lobes` is below 1.
    """

    lobes: int = 3
    normalise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        checks.positive("lobes", self.lobes)

    @property
    def support(self) -> float:
        return float(self.lobes)

    def weight(self, distance: Tensor) -> Tensor:
        return torch.sinc(distance) * torch.sinc(distance / self.lobes)


@final
@dataclass(frozen=True)
class Gaussian(Kernel):
    """A Gaussian: blurs, and its gradient sees further than one pixel. Weights are normalised.

    Args:
        sigma: standard deviation in pixels; the kernel ends at four of them.

    Raises:
        ValueError: `sigma` is not positive.
    """

    sigma: float = 1.0
    normalise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        checks.positive("sigma", self.sigma)

    @property
    def support(self) -> float:
        return max(4 * self.sigma, 1.0)

    def weight(self, distance: Tensor) -> Tensor:
        return torch.exp(-0.5 * (distance / self.sigma) ** 2)


NAMED: dict[str, Kernel] = {
    "nearest": Nearest(),
    "bilinear": Linear(),
    "bicubic": Cubic(),
    "bspline3": BSpline(3),
}


def kernel_of(mode: str | Kernel) -> Kernel:
    """The kernel that a `mode` names, or is."""
    return NAMED[mode] if isinstance(mode, str) else mode
