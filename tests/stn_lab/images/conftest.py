import numpy as np
import pytest
from PIL import Image


def picture(path, size=(12, 10), *, seed=0, mode="RGB", **options):
    """Write a small image of noise and make the folders above it."""
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise).convert(mode).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path):
    """Two classes of ten images."""
    root = tmp_path / "my photographs"
    for label in ("cat", "dog"):
        for number in range(10):
            picture(root / label / f"{number}.png", seed=number)
    return root
