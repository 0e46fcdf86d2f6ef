"""Families by the names that a person types."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import UserError

if TYPE_CHECKING:
    from spatial_transformer import Family

MATRICES = ("translation", "rigid", "similarity", "affine", "projective")
DEFORMATIONS = ("tps", "bspline", "velocity", "displacement")
NAMES = (*MATRICES, *DEFORMATIONS)


def check(names: Sequence[str], option: str) -> tuple[str, ...]:
    """The names of stages, in an order that can be fitted.

    Raises:
        UserError: there are none, one is unknown, or a matrix comes after a deformation.
    """
    for name in names:
        if name not in NAMES:
            raise UserError(f"{option} must be one of {', '.join(NAMES)}; got {name!r}")
    kinds = [name in MATRICES for name in names]
    if not names or kinds != sorted(kinds, reverse=True):
        raise UserError(
            f"{option} must begin with the matrices ({', '.join(MATRICES)}); got {','.join(names) or 'none'}"
        )
    return tuple(names)


def make(name: str, size: tuple[int, ...], extent: Sequence[float], control: int) -> "Family":
    """A family for a fixed image.

    Args:
        name: one of `NAMES`.
        size: (H, W) or (D, H, W) of the fixed image.
        extent: its lengths along x, y (, z) in one unit.
        control: control points of a deformation along each axis.
    """
    import spatial_transformer as st

    dims = len(size)
    lattice = (control,) * dims
    if name in ("rigid", "similarity"):
        return {"rigid": st.Rigid, "similarity": st.Similarity}[name](dims, extent=tuple(extent))
    return {
        "translation": lambda: st.Translation(dims),
        "affine": lambda: st.Affine(dims),
        "projective": lambda: st.Projective(dims),
        "tps": lambda: st.ThinPlateSpline(lattice),
        "bspline": lambda: st.BSpline(lattice),
        "velocity": lambda: st.Velocity(lattice),
        "displacement": lambda: st.Displacement(size),
    }[name]()
