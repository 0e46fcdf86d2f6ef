"""Which of the processes that train together this one is."""

from lightning.pytorch.utilities import rank_zero_only


def is_first_process() -> bool:
    """Whether this process writes the files and prints; true when it is the only one.

    Lightning reads the rank from the variables that it, torchrun or a cluster's scheduler sets.
    """
    return not getattr(rank_zero_only, "rank", 0)
