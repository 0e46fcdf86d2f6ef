"""Against what: the libraries, each with how it does a row. Add a library here.

Each is given what it likes best, outside of what is timed: its own matrices, its own layout, its own image objects.
"""

import importlib.util
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

import spatial_transformer as st
from spatial_transformer import converters

from .problem import Problem
from .rows import MATRIX_WARPS

# Images have values from 0 to 1 and are smooth. OpenCV rounds positions to 1/32 of a pixel in some functions.
TOLERANCE = 0.01


@dataclass(frozen=True)
class Differentiable:
    """A library that is made of tensors.

    Attributes:
        function: of image and parameter; returns the output.
        image: (N, C, *size).
        parameter: the warp in the library's own terms.
        within: a context to run in.
        differentiable_twice: whether its gradients have gradients.
        tolerance: how far its output may be from that of `grid_sample`.
    """

    function: Callable[[Tensor, Tensor], Tensor]
    image: Tensor
    parameter: Tensor
    within: Callable[[], AbstractContextManager[Any]] = nullcontext
    differentiable_twice: bool = True
    tolerance: float = TOLERANCE


@dataclass(frozen=True)
class Opaque:
    """A library without gradients: `as_tensor` of what `function` returns is the output."""

    function: Callable[[], Any]
    as_tensor: Callable[[Any], Tensor]
    tolerance: float = TOLERANCE


@dataclass(frozen=True)
class Peer:
    """A library.

    Attributes:
        name: in tables.
        prepare: what it does with a problem; None where it does not apply.
        module: that must be installed.
        set_threads: tells it how many threads to use, where PyTorch's number does not rule.
        is_floor: it computes nothing, and is what the memory alone takes.
        optional: only measured when asked for.
    """

    name: str
    prepare: Callable[[Problem], Differentiable | Opaque | None]
    module: str = "torch"
    set_threads: Callable[[int], None] | None = None
    is_floor: bool = False
    optional: bool = False

    def missing(self) -> str | None:
        """Why it cannot be measured here."""
        return None if importlib.util.find_spec(self.module) else f"{self.module} is not installed"


# --- PyTorch ---------------------------------------------------------------------------------------------------------


def _ours(problem: Problem) -> Differentiable:
    row = problem.row

    def warp(image: Tensor, theta: Tensor) -> Tensor:
        return st.warp(image, problem.family, theta, row.size, mode=row.mode)

    def sample(image: Tensor, points: Tensor) -> Tensor:
        return st.sample(image, points, mode=row.mode)

    return Differentiable(sample if row.warp == "points" else warp, problem.image, problem.parameter)


def _ours_deterministic(problem: Problem) -> Differentiable | None:
    if problem.image.device.type != "cuda":
        return None  # there it always is
    return replace(_ours(problem), within=_determinism)


@contextmanager
def _determinism() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def _grid_sample(problem: Problem) -> Differentiable:
    """What one writes today: points by PyTorch's own functions, and `grid_sample`."""
    return _at_points(problem, _PLAIN[problem.row.warp](problem))


def _our_points(problem: Problem) -> Differentiable | None:
    """`grid_sample` at the points that our families compute, which are in no kernel."""
    if problem.row.warp not in ("tps", "projective"):
        return None
    return _at_points(problem, lambda parameter: problem.family.grid(parameter, problem.row.size))


def _at_points(problem: Problem, points: Callable[[Tensor], Tensor]) -> Differentiable:
    mode = problem.row.mode
    return Differentiable(
        lambda image, parameter: F.grid_sample(image, points(parameter), mode, align_corners=False),
        problem.image,
        problem.parameter,
    )


def _plain_affine(problem: Problem) -> Callable[[Tensor], Tensor]:
    row = problem.row
    return lambda theta: F.affine_grid(theta.unflatten(1, (row.dims, -1)), list(row.shape), align_corners=False)


def _plain_projective(problem: Problem) -> Callable[[Tensor], Tensor]:
    """Homogeneous coordinates of all pixels times each matrix, and a division."""
    row, one = problem.row, torch.ones(1, device=problem.image.device)
    target = st.target_points(row.size, device=problem.image.device).flatten(0, -2)  # (K, 2)
    homogeneous = F.pad(target, (0, 1), value=1)

    def points(theta: Tensor) -> Tensor:
        matrix = torch.cat([theta, one.expand(len(theta), 1)], dim=1).unflatten(1, (3, 3))
        moved = homogeneous @ matrix.mT  # (N, K, 3)
        return (moved[..., :2] / moved[..., 2:]).unflatten(1, row.size)

    return points


def _plain_spline(problem: Problem) -> Callable[[Tensor], Tensor]:
    """A spline is linear in its control points: what each does to a pixel is computed before the clock starts."""
    row, count = problem.row, problem.family.parameter_count
    unit = torch.eye(count, device=problem.image.device)[::2]  # x of one control point after the other
    basis = problem.family.grid(unit, row.size)[..., 0].flatten(1).T.contiguous()  # (K, C)
    return lambda theta: (basis @ theta.unflatten(1, (-1, 2))).unflatten(1, row.size)


_PLAIN: dict[str, Callable[[Problem], Callable[[Tensor], Tensor]]] = {
    "affine": _plain_affine,
    "projective": _plain_projective,
    "tps": _plain_spline,
    "points": lambda problem: lambda points: points,
}


def _compiled(problem: Problem) -> Differentiable:
    torch._dynamo.reset()  # its limit of variants counts over all rows
    eager = _grid_sample(problem)
    return Differentiable(torch.compile(eager.function, dynamic=False), eager.image, eager.parameter)


# --- Kornia ----------------------------------------------------------------------------------------------------------


def _kornia(problem: Problem) -> Differentiable | None:
    """Its matrices are between pixels, from source to target; its splines have their corners on pixel centres."""
    from kornia.geometry import transform as kornia

    row, mode = problem.row, problem.row.mode
    if row.warp in MATRIX_WARPS:
        matrix = converters.to_kornia(problem.matrix(), row.size, row.size).float()
        warp: Any = kornia.warp_affine if row.dims == 2 else kornia.warp_affine3d
        if row.warp == "projective":
            warp = kornia.warp_perspective
        else:
            matrix = matrix[:, :-1].contiguous()
        return Differentiable(lambda i, m: warp(i, m, row.size, mode), problem.image, matrix)
    if row.warp == "tps":
        return _kornia_spline(problem)
    pixels = problem.pixels()
    return Differentiable(
        lambda i, p: kornia.remap(i, p[..., 0], p[..., 1], mode, align_corners=True), problem.image, pixels
    )


def _kornia_spline(problem: Problem) -> Differentiable:
    """As much work, but another spline between the control points: its radial functions sit where these move to.

    So its output is not that of the others, however right both are.
    """
    from kornia.geometry import transform as kornia

    size, family = problem.row.size, problem.family
    from_edges, to_edges = (
        st.to_align_corners(theta.unflatten(1, (-1, 2)), size).contiguous()
        for theta in (family.identity(len(problem.theta)).to(problem.theta), problem.theta)
    )

    def run(image: Tensor, moved: Tensor) -> Tensor:
        weights, affine = kornia.get_tps_transform(from_edges, moved)
        return kornia.warp_image_tps(image, moved, weights, affine, align_corners=True)

    return Differentiable(run, problem.image, to_edges, tolerance=math.inf)


# --- OpenCV: a loop over images, which it wants with the channels last -----------------------------------------------


def _opencv(problem: Problem) -> Opaque | None:
    import cv2

    row = problem.row
    if row.dims == 3 or row.warp == "tps" or problem.image.device.type != "cpu":
        return None
    images = list(problem.image.movedim(1, -1).contiguous().numpy())  # N of (H, W, C)
    size = row.size[::-1]
    flags = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}[row.mode]

    def as_tensor(outputs: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(outputs)).reshape(row.shape[0], *row.size, row.shape[1]).movedim(-1, 1)

    if row.warp == "points":
        remap: Any = cv2.remap
        maps = [tuple(np.ascontiguousarray(axis) for axis in np.moveaxis(m, -1, 0)) for m in problem.pixels().numpy()]
        return Opaque(lambda: [remap(i, *m, flags) for i, m in zip(images, maps, strict=True)], as_tensor)
    matrices = list(converters.to_pixel_matrix(problem.matrix(), row.size, row.size).numpy())
    flags |= cv2.WARP_INVERSE_MAP  # target to source, as ours
    warp: Any = cv2.warpPerspective if row.warp == "projective" else cv2.warpAffine
    matrices = matrices if row.warp == "projective" else [m[:2] for m in matrices]
    return Opaque(lambda: [warp(i, m, size, flags=flags) for i, m in zip(images, matrices, strict=True)], as_tensor)


def _opencv_threads(count: int) -> None:
    import cv2

    cv2.setNumThreads(count)


# --- SimpleITK: volumes ----------------------------------------------------------------------------------------------


def _simpleitk(problem: Problem) -> Opaque | None:
    import SimpleITK as sitk  # noqa: N813, the name that all of its documentation uses

    row = problem.row
    if row.dims == 2 or row.warp != "affine" or row.shape[:2] != (1, 1) or problem.image.device.type != "cpu":
        return None
    geometry = converters.ImageGeometry(row.size)
    matrix = converters.to_simpleitk(problem.matrix(), geometry, geometry)[0]
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].flatten().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    image = sitk.GetImageFromArray(problem.image[0, 0].numpy())
    resample = sitk.ResampleImageFilter()
    resample.SetReferenceImage(image)
    resample.SetTransform(transform)
    resample.SetInterpolator(sitk.sitkLinear)
    return Opaque(
        lambda: resample.Execute(image), lambda output: torch.from_numpy(sitk.GetArrayFromImage(output))[None, None]
    )


def _simpleitk_threads(count: int) -> None:
    import SimpleITK as sitk  # noqa: N813

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(count)


# --- SciPy: a loop over images and channels, on one thread -----------------------------------------------------------


def _scipy(problem: Problem) -> Opaque | None:
    from scipy import ndimage

    row = problem.row
    if row.warp not in ("affine", "points") or row.mode != "bilinear" or problem.image.device.type != "cpu":
        return None
    images = [list(image) for image in problem.image.contiguous().numpy()]  # N of C of (*size)
    how = {"order": 1, "mode": "grid-constant"}

    def as_tensor(outputs: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(outputs)).reshape(row.shape)

    if row.warp == "points":
        places = [np.ascontiguousarray(np.moveaxis(p, -1, 0)[::-1]) for p in problem.pixels().numpy()]
        read: Any = lambda channel, place: ndimage.map_coordinates(channel, place, **how)  # noqa: E731
    else:
        places = list(converters.to_scipy(problem.matrix(), row.size, row.size).numpy())
        read = lambda channel, place: ndimage.affine_transform(channel, place, **how)  # noqa: E731
    return Opaque(
        lambda: [read(channel, place) for image, place in zip(images, places, strict=True) for channel in image],
        as_tensor,
    )


# --- torch-interpol --------------------------------------------------------------------------------------------------


def _interpol(problem: Problem) -> Differentiable | None:
    """Its matrices are between pixels, target to source, rows first."""
    import interpol

    row = problem.row
    if row.warp not in ("affine", "points") or row.mode != "bilinear":
        return None
    how = {"interpolation": 1, "bound": "zero", "extrapolate": True}
    if row.warp == "points":
        places = problem.pixels().flip(-1).contiguous()
        return Differentiable(
            lambda i, p: interpol.grid_pull(i, p, **how), problem.image, places, differentiable_twice=False
        )
    matrix = converters.to_scipy(problem.matrix(), row.size, row.size).float()
    grids = torch.func.vmap(lambda one: interpol.affine_grid(one, row.size))  # it refuses a batch of matrices
    return Differentiable(
        lambda i, m: interpol.grid_pull(i, grids(m), **how), problem.image, matrix, differentiable_twice=False
    )


# --- the floor -------------------------------------------------------------------------------------------------------


def _memcpy(problem: Problem) -> Opaque:
    """Read the bytes of the input once and write those of the output once, into memory that is there already."""
    output = torch.empty_like(problem.image)
    return Opaque(lambda: (output.copy_(problem.image),), lambda outputs: outputs[0])


def _clone(problem: Problem) -> Opaque:
    """The same into fresh memory, which whoever returns a new image writes to: the system hands it out page by page."""
    return Opaque(lambda: (problem.image.clone(),), lambda outputs: outputs[0])


PEERS = (
    Peer("ours", _ours),
    Peer("ours, deterministic", _ours_deterministic),
    Peer("torch", _grid_sample),
    Peer("torch, our points", _our_points),
    Peer("torch.compile", _compiled, optional=True),
    Peer("Kornia", _kornia, "kornia"),
    Peer("OpenCV", _opencv, "cv2", _opencv_threads),
    Peer("SimpleITK", _simpleitk, "SimpleITK", _simpleitk_threads),
    Peer("SciPy", _scipy, "scipy"),
    Peer("torch-interpol", _interpol, "interpol"),
    Peer("memcpy", _memcpy, is_floor=True),
    Peer("clone", _clone, is_floor=True),
)
OURS, REFERENCE, FLOOR = "ours", "torch", "memcpy"


def set_threads(count: int) -> None:
    """Tell PyTorch and every library that is here."""
    torch.set_num_threads(count)
    for peer in PEERS:
        if peer.set_threads and peer.missing() is None:
            peer.set_threads(count)
