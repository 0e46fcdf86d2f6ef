"""Digits that can be had without any images of one's own: sets of them, and distortions at random.

sets.py     upright digits (mnist.py reads MNIST)   distortions.py   what is done to them
invariance.py   the error against how far they are turned, scaled or moved
"""

from typing import Literal

DataName = Literal["digits", "mnist"]
DistortionName = Literal["R", "RTS", "P", "E", "T", "TC", "H"]
