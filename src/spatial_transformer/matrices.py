"""Homogeneous matrices of the elementary transformations, to be multiplied and given to `family.from_matrix`."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from . import checks


def rotation_matrix(angle: Tensor) -> Tensor:
    """Rotate points: in 2D by an angle, in 3D about an axis.

    A positive angle turns from the x axis towards the y axis: clockwise on a screen, where y points down. In 3D the
    three numbers are the axis times the angle; (0, 0, a) turns as `a` does in 2D, and the other axes follow in the
    order x, y, z, x.

    Args:
        angle: (N,) radians, or (N, 3) axis-angle vectors in radians, x first.

    Returns:
        (N, 3, 3) or (N, 4, 4) matrices.

    Raises:
        ValueError: `angle` is neither (N,) nor (N, 3).

    Source: Rodrigues (1840) for the axis and angle.

    Example:
        >>> rotation_matrix(torch.tensor([0.5]))
        tensor([[[ 0.8776, -0.4794,  0.0000],
                 [ 0.4794,  0.8776,  0.0000],
                 [ 0.0000,  0.0000,  1.0000]]])
        >>> rotation_matrix(torch.tensor([[0.0, 0.0, 0.5]])).shape
        torch.Size([1, 4, 4])
    """
    checks.angle(angle)
    linear = plane_rotation(angle) if angle.ndim == 1 else axis_angle_rotation(angle)  # (N, D, D)
    column = torch.zeros_like(linear[..., :1])  # (N, D, 1)
    row = torch.cat([column.mT, torch.ones_like(column[:, :1])], dim=-1)  # (N, 1, D+1)
    return torch.cat([torch.cat([linear, column], dim=-1), row], dim=1)


def plane_rotation(angle: Tensor) -> Tensor:
    """(N,) angles to (N, 2, 2) rotations."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos, -sin, sin, cos], dim=1).unflatten(1, (2, 2))


def axis_angle_rotation(vector: Tensor) -> Tensor:
    """(N, 3) axis-angle vectors w to (N, 3, 3) rotations: cos t I + sin t / t [w] + (1 - cos t) / t^2 w w^T, t = |w|.

    Both fractions are smooth functions of t^2, so that derivatives of every order exist at zero as well.
    """
    x, y, z = vector.unbind(dim=1)  # (N,)
    squared = vector.square().sum(dim=1)[:, None, None]  # (N, 1, 1)
    sine = _sinc_of_root(squared)
    versine = _sinc_of_root(squared / 4).square() / 2  # (1 - cos t) / t^2 without the difference
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).unflatten(1, (3, 3))  # w x ...
    eye = torch.eye(3, dtype=vector.dtype, device=vector.device)
    return (1 - squared * versine) * eye + sine * cross + versine * (vector[:, :, None] * vector[:, None, :])


def rotation_axis_angle(rotation: Tensor) -> Tensor:
    """(N, 3, 3) rotations to (N, 3) axis-angle vectors, no longer than pi; the inverse of `axis_angle_rotation`.

    By way of the quaternion, whose largest entry is never near zero: as exact at half a turn as at none. At half a
    turn exactly there are two answers; it gives one.
    """
    quaternion = _quaternion(rotation)  # (N, 4)
    cosine, sines = quaternion[:, :1], quaternion[:, 1:]  # of half the angle: (N, 1), (N, 3)
    squared = sines.square().sum(dim=1, keepdim=True)
    small = squared < 0.05 * cosine.square()
    ratio = torch.where(small, squared / torch.where(small, cosine, 1).square(), 0)  # tan^2 of half the angle
    root = torch.where(small, 1, squared).sqrt()
    far = torch.atan2(root, cosine) / root
    near = _polynomial([(-1) ** k / (2 * k + 1) for k in range(12)], ratio) / torch.where(small, cosine, 1)
    return 2 * torch.where(small, near, far) * sines


def nearest_rotation(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The rotations R (N, D, D) of largest <R, matrix>, and that product (N,). They never mirror.

    Where the matrix is of rank one in space, as that of points on a line, R turns by the smallest angle that does.
    """
    u, s, vh = torch.linalg.svd(matrix)  # (N, D, D), (N, D)
    if matrix.shape[-1] == 3:
        open_ = s[:, 1] <= 1e-9 * s[:, 0]  # (N,)
        eye = torch.eye(3, dtype=matrix.dtype, device=matrix.device)
        settled = matrix + torch.where(open_, 1e-6 * s[:, 0], 0)[:, None, None] * eye
        u, s, vh = torch.linalg.svd(settled)
    signs = torch.ones_like(s)
    signs = torch.cat([signs[:, 1:], torch.linalg.det(u @ vh).sign()[:, None]], dim=1)
    return u * signs[:, None] @ vh, (s * signs).sum(dim=1)


def _quaternion(rotation: Tensor) -> Tensor:
    """(N, 3, 3) rotations to (N, 4) unit quaternions, real part first and not negative (Shepperd, 1978)."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = (row.unbind(dim=1) for row in rotation.unbind(dim=1))  # (N,)
    # The outer product 4 q q^T; any row, divided by its length, is q or -q. The one with the largest diagonal is safe.
    rows = [
        torch.stack([1 + xx + yy + zz, zy - yz, xz - zx, yx - xy], dim=1),
        torch.stack([zy - yz, 1 + xx - yy - zz, xy + yx, zx + xz], dim=1),
        torch.stack([xz - zx, xy + yx, 1 - xx + yy - zz, yz + zy], dim=1),
        torch.stack([yx - xy, zx + xz, yz + zy, 1 - xx - yy + zz], dim=1),
    ]
    product = torch.stack(rows, dim=1)  # (N, 4, 4)
    largest = product.diagonal(dim1=1, dim2=2).argmax(dim=1)[:, None, None]  # (N, 1, 1)
    row = product.gather(1, largest.expand(-1, 1, 4))[:, 0]  # (N, 4)
    sign = torch.where(row[:, :1] < 0, -1, 1)
    return sign * row / row.square().sum(dim=1, keepdim=True).sqrt()


def _sinc_of_root(squared: Tensor) -> Tensor:
    """sin(t) / t as a function of t^2."""
    small = squared < 1
    # Below 1 the Taylor series, exact to the last bit; above, the quotient, whose derivatives do not cancel there.
    series = _polynomial([(-1) ** k / math.factorial(2 * k + 1) for k in range(11)], torch.where(small, squared, 0))
    root = torch.where(small, 1, squared).sqrt()
    return torch.where(small, series, root.sin() / root)


def _polynomial(coefficients: Sequence[float], x: Tensor) -> Tensor:
    """Horner's rule; the constant first."""
    total = torch.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total * x + coefficient
    return total


def scale_matrix(scale: Tensor) -> Tensor:
    """Scale every axis by its own factor.

    Args:
        scale: (N, D) factors, x first; for one factor on all axes, `scale[:, None].expand(-1, 2)`.

    Returns:
        (N, D+1, D+1) matrices.

    Raises:
        ValueError: `scale` is not (N, 2) or (N, 3).

    Example:
        >>> scale_matrix(torch.tensor([[2.0, 3.0]]))
        tensor([[[2., 0., 0.],
                 [0., 3., 0.],
                 [0., 0., 1.]]])
    """
    checks.vectors("scale", scale)
    return torch.diag_embed(torch.cat([scale, torch.ones_like(scale[:, :1])], dim=1))


def translation_matrix(shift: Tensor) -> Tensor:
    """Shift points.

    Args:
        shift: (N, D) shifts in normalised units (2 is the whole width), x first.

    Returns:
        (N, D+1, D+1) matrices.

    Raises:
        ValueError: `shift` is not (N, 2) or (N, 3).

    Example:
        >>> translation_matrix(torch.tensor([[0.5, -1.0]]))
        tensor([[[ 1.0000,  0.0000,  0.5000],
                 [ 0.0000,  1.0000, -1.0000],
                 [ 0.0000,  0.0000,  1.0000]]])
    """
    checks.vectors("shift", shift)
    count, dims = shift.shape
    eye = torch.eye(dims + 1, dtype=shift.dtype, device=shift.device).expand(count, -1, -1)
    last_column = torch.cat([shift, torch.ones_like(shift[:, :1])], dim=1)[..., None]  # (N, D+1, 1)
    return torch.cat([eye[..., :-1], last_column], dim=-1)


def perspective_matrix(start: Tensor, end: Tensor) -> Tensor:
    """The homography that takes four points to four others.

    Args:
        start: (N, 4, 2) points, no three of them on a line.
        end: (N, 4, 2) points they are taken to.

    Returns:
        (N, 3, 3) matrices whose last entry is 1.

    Raises:
        ValueError: a shape is another.
        torch.linalg.LinAlgError: three points of `start` lie on a line; while traced, the matrix is not finite then.

    Example:
        >>> square = torch.tensor([[[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]])
        >>> perspective_matrix(square, 2 * square).diagonal(dim1=1, dim2=2)
        tensor([[2., 2., 1.]])
    """
    checks.four_points("start", start)
    checks.four_points("end", end)
    x, y = start[..., :1], start[..., 1:]  # (N, 4, 1)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    # h1 x + h2 y + h3 - u (h7 x + h8 y) = u for every pair of (x, y) and (u, v), and the same with v.
    row_u = torch.cat([x, y, one, zero, zero, zero, -end[..., :1] * x, -end[..., :1] * y], dim=-1)
    row_v = torch.cat([zero, zero, zero, x, y, one, -end[..., 1:] * x, -end[..., 1:] * y], dim=-1)
    solution, info = torch.linalg.solve_ex(torch.cat([row_u, row_v], dim=1), end.mT.flatten(1))  # (N, 8), (N,)
    checks.in_general_position(start, info)
    return torch.cat([solution, torch.ones_like(solution[:, :1])], dim=1).unflatten(1, (3, 3))
