"""The network of co-localisation that looks for a digit, with a CNN that says how alike two crops are.

Source: Jaderberg et al. (2015), appendix A.2.
"""

from torch import nn

from stn_lab.colocalisation import Colocaliser
from stn_lab.encoders import Layers

from .data import FRAME


def colocaliser(classifier: nn.Sequential) -> Colocaliser:
    """Of grey images, with windows of a digit's frame.

    Args:
        classifier: a CNN for 28x28 digits, trained; its weights stay as they are.
    """
    return Colocaliser(Layers(classifier), in_channels=1, side=FRAME)
