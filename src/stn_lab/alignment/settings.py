"""How a person wants images aligned."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Overlay = Literal["checkerboard", "flicker", "difference"]


@dataclass(frozen=True)
class Settings:
    """What an alignment depends on, beside its images.

    Attributes:
        stages: names of families, matrices first; empty for the usual one, "projective" in images and "affine" in
            volumes.
        measure: "ncc", "local_ncc", "mse" or "mi".
        control: control points of a deformation along each axis.
        bending: how much bending costs.
        mode: how the result is read between pixels.
        outside: what it shows where the moving image shows nothing; may be NaN.
        grey: whether images are aligned without their colours.
        overlay: how the result is shown upon the fixed image.
    """

    stages: tuple[str, ...] = ()
    measure: str = "ncc"
    control: int = 8
    bending: float = 3e-4
    mode: str = "bilinear"
    outside: float = 0.0
    grey: bool = False
    overlay: Overlay = "checkerboard"

    def of(self, dims: int) -> tuple[str, ...]:
        """The stages for images or volumes."""
        return self.stages or ("projective" if dims == 2 else "affine",)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"stages": list(self.stages), "outside": str(self.outside)}
