"""Who is learnt from, who is chosen by, who is measured on: stratified and seeded, groups kept together."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from math import floor

import numpy as np

from ..errors import UserError
from .catalogue import SPLITS, Split, some

SHARES: dict[Split, float] = {"train": 0.7, "validation": 0.15, "test": 0.15}


def assign(
    labels: Sequence[str], given: Sequence[Split | None], groups: Sequence[str] | None, seed: int
) -> list[Split]:
    """A split for every image.

    Images that the person has put somewhere stay there. When nobody has, 70 % of each class are for training, 15 % for
    validation, 15 % for the test; a split that the person's own lacks is taken from the training images, 15 % of them
    each. The result depends on the seed and the images, in their order, alone.

    Args:
        labels: (N,) names of classes.
        given: (N,) splits, None where open.
        groups: (N,) images of one group go to one split; None to draw each by itself.
        seed: of the draw.

    Raises:
        UserError: a class or a number of groups too small to be split.

    Example:
        >>> splits = assign(["a"] * 20 + ["b"] * 40, [None] * 60, None, seed=0)
        >>> [splits.count(split) for split in SPLITS]
        [42, 9, 9]
    """
    present = {split for split in given if split}
    pool = [i for i, split in enumerate(given) if split is None]
    wanted: list[Split] = list(SPLITS) if not present else ["train"]
    if present:
        pool += [i for i, split in enumerate(given) if split == "train"]
        wanted += [split for split in SPLITS[1:] if split not in present]
    result: list[Split] = [split or "train" for split in given]
    if len(wanted) == 1 or not pool:
        return result
    shares = np.array([SHARES[split] for split in wanted])
    shares[0] = 1 - shares[1:].sum()
    generator = np.random.default_rng(seed)
    pool = [pool[i] for i in generator.permutation(len(pool))]
    chosen = [labels[i] for i in pool]
    draw = _by_class(chosen, shares) if groups is None else _by_group(chosen, [groups[i] for i in pool], shares)
    for i, number in zip(pool, draw, strict=True):
        result[i] = wanted[number]
    return result


def _by_class(labels: Sequence[str], shares: np.ndarray) -> list[int]:
    """For each of the shuffled images the number of its split; every class has its share of every split."""
    small = sorted(name for name, count in Counter(labels).items() if count < len(shares))
    if small:
        count = Counter(labels)[small[0]]
        raise UserError(
            f"class {small[0]!r} has {count} image{'s' * (count > 1)}, and {len(shares)} splits are to be made: add "
            "images, remove the class, or put the images into train/, val/ and test/ yourself"
        )
    seen: Counter[str] = Counter()
    bounds = {name: _bounds(count, shares) for name, count in Counter(labels).items()}
    result = []
    for name in labels:
        result.append(int(np.searchsorted(bounds[name], seen[name], side="right")))
        seen[name] += 1
    return result


def _bounds(count: int, shares: np.ndarray) -> np.ndarray:
    """Where the splits of `count` images end, the last excepted; at least one image in each."""
    parts = [max(1, floor(count * share + 0.5)) for share in shares[1:]]
    while sum(parts) >= count:
        parts[int(np.argmax(parts))] -= 1
    return np.cumsum([count - sum(parts), *parts])[:-1]


def _by_group(labels: Sequence[str], groups: Sequence[str], shares: np.ndarray) -> list[int]:
    """The same for whole groups: the largest first, each to the split that is furthest behind in its classes."""
    members: dict[str, list[int]] = defaultdict(list)
    for i, group in enumerate(groups):
        members[group].append(i)
    if len(members) < len(shares):
        raise UserError(
            f"there are {len(members)} groups, and {len(shares)} splits are to be made; group by something finer"
        )
    names = sorted(set(labels))
    total = Counter(labels)
    filled = np.zeros((len(shares), len(names)))  # the share of each class that each split holds
    result = [0] * len(labels)
    for group in sorted(members, key=lambda name: -len(members[name])):  # stable: shuffled among equals
        within = Counter(labels[i] for i in members[group])
        gain = np.array([within[name] / total[name] for name in names])
        # How full each split is where this group's classes are, and, between equals, altogether.
        ahead = ((filled + gain / 2) / shares[:, None]) @ gain / gain.sum()
        choice = int(np.lexsort((filled.sum(axis=1) / shares, np.round(ahead, 9)))[0])
        filled[choice] += gain
        for i in members[group]:
            result[i] = choice
    empty = [SPLITS[number] for number in range(len(shares)) if number not in result]
    if empty:
        raise UserError(f"the groups are too large: nothing is left for {some(empty)}; group by something finer")
    return result


def groups_of(names: Sequence[str], pattern: str) -> list[str]:
    """The group of each path: what the first parenthesis of a regular expression finds, or the whole match.

    Raises:
        UserError: no regular expression, or one that finds nothing in a path.

    Example:
        >>> groups_of(["a/dog7_01.png", "a/dog7_02.png"], r"(dog\\d+)_")
        ['dog7', 'dog7']
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UserError(f"--group-by {pattern!r} is no regular expression: {error}") from None
    found = [compiled.search(name) for name in names]
    without = [name for name, match in zip(names, found, strict=True) if match is None]
    if without:
        raise UserError(
            f"--group-by {pattern!r} is no column, and finds nothing in {len(without)} paths, the first {without[0]!r}"
        )
    return [match[1] if compiled.groups else match[0] for match in found if match]
