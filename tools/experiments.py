"""The experiments behind the README's table: the flags of `stn train`, and what to call them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One experiment, run with several seeds.

    Attributes:
        name: of its folder in results/.
        title: in the table.
        flags: of `stn train`, without name and seed.
        seeds: that are run.
    """

    name: str
    title: str
    flags: str
    seeds: tuple[int, ...] = (0, 1, 2)


EXPERIMENTS = (
    Row(
        "demo",
        "digits, RTS (`make demo`)",
        "--data digits --distortion RTS --compare cnn,st-cnn --steps 1200 --batch-size 128 --filters 24 "
        "--label-smoothing 0.1 --localiser-lr-scale 2",
    ),
)
