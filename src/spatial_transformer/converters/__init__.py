"""Matrices of other software to ours and back: one pair of functions for each.

Every function takes (N, D, D+1) or (N, D+1, D+1) matrices with the sizes of the source (input) and of the target
(output) image, and returns homogeneous (N, D+1, D+1) matrices, tensors in and tensors out, differentiable. For one
NumPy array write `torch.as_tensor(array)[None]` on the way in and `matrix[0].numpy()` on the way out.

Ours, on the left of every `to_...` and the right of every `from_...`, are what `family.matrix(theta)` returns and
`family.from_matrix(matrix)` takes: target to source, normalised, -1 and +1 at the outer edges of the image, x first.

| software | coordinates | axes | direction | dims |
|---|---|---|---|---|
| `opencv` | pixels | x first | source to target | 2 |
| `skimage` | pixels | x first | target to source | 2 |
| `scipy` | pixels | rows first | target to source | 2, 3 |
| `torch` | normalised | x first | target to source | 2, 3 |
| `kornia` | pixels | x first | source to target | 2, 3 |
| `kornia_homography` | normalised | x first | target to source | 2, 3 |
| `simpleitk` | physical | x first | target to source | 2, 3 |
"""

from .kornia import from_kornia, from_kornia_homography, to_kornia, to_kornia_homography
from .opencv import from_opencv, to_opencv
from .pixels import from_pixel_matrix, to_pixel_matrix
from .scikit_image import from_skimage, to_skimage
from .scipy_ndimage import from_scipy, to_scipy
from .simple_itk import ImageGeometry, from_simpleitk, to_simpleitk
from .torch_affine_grid import from_torch, to_torch

__all__ = [
    "ImageGeometry",
    "from_kornia",
    "from_kornia_homography",
    "from_opencv",
    "from_pixel_matrix",
    "from_scipy",
    "from_simpleitk",
    "from_skimage",
    "from_torch",
    "to_kornia",
    "to_kornia_homography",
    "to_opencv",
    "to_pixel_matrix",
    "to_scipy",
    "to_simpleitk",
    "to_skimage",
    "to_torch",
]
