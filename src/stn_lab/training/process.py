"""Which of the processes that train together this one is."""

import os

# Set by Lightning, torchrun or a cluster's scheduler; of the first process each is 0 or not set at all.
RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")


def is_first_process() -> bool:
    """Whether this process writes the files and prints; true when it is the only one."""
    return all(os.environ.get(name, "0") == "0" for name in RANKS)
