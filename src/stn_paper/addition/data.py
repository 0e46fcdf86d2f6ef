"""MNIST addition: two digits, each distorted in a channel of its own; what is asked for is their sum.

Source: Jaderberg et al. (2015), appendix A.1.
"""

import torch
from torch import Tensor

from stn_lab.digits.distortions import DISTORTIONS
from stn_lab.digits.sets import Digits
from stn_lab.tasks.task import Batch


class Addition:
    """(N, 2, 42, 42) images, both digits rotated, scaled and moved independently of each other; sums from 0 to 18."""

    side = 42
    size = (42, 42)
    channels = 2
    classes = 19
    pool = True

    def compose(self, images: Digits, index: Tensor, generator: torch.Generator) -> Batch:
        """The digit at `index` and any other one."""
        other = torch.randint(len(images), index.shape, generator=generator, device=generator.device)
        pair = [DISTORTIONS["RTS"].draw(images.as_input(which), generator) for which in (index, other)]
        return torch.cat(pair, dim=1), images.labels[index] + images.labels[other]
