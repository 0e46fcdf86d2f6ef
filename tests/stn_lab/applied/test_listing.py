import os
import tracemalloc

import pytest

from stn_lab.applied.listing import images_below, images_of, in_order, some
from stn_lab.errors import UserError


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return str(path)


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_names_come_in_order_however_few_are_sorted_at_once(at_once):
    names = ["b", "a\nb", "ü", "\udcff", "a", "b", "", "Z"]
    assert list(in_order(iter(names), at_once)) == sorted(names)


def test_a_long_list_takes_little_memory():
    names = (f"{number * 7919 % 8_000:0300}" for number in range(8_000))  # 2.8 MB as strings
    tracemalloc.start()
    assert sum(1 for _ in in_order(names, at_once=400)) == 8_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 800_000  # 400 of them, and a buffer for each of 20 files


def test_images_are_found_below_in_the_order_of_their_paths(tmp_path):
    names = ["b/2.png", "b/10.JPG", "a.webp", "b/c/d.tif"]
    expected = sorted(touch(tmp_path / name) for name in names)
    for other in (".hidden.png", ".cache/1.png", "notes.txt", "b/boxes.csv"):
        touch(tmp_path / other)
    assert list(images_of([tmp_path])) == expected


def test_files_stay_in_the_order_in_which_they_are_named(tmp_path):
    first, last = touch(tmp_path / "z.png"), touch(tmp_path / "a.png")
    assert list(images_of([tmp_path / "z.png", tmp_path / "a.png"])) == [first, last]


def test_links_are_followed_to_every_folder_once(tmp_path):
    top = tmp_path / "top"
    one, outside = touch(top / "a" / "1.png"), touch(tmp_path / "elsewhere" / "2.png")
    (top / "a" / "back").symlink_to(top)
    (top / "a" / "up").symlink_to(tmp_path)
    (top / "b").symlink_to(tmp_path / "elsewhere")
    (top / "c").symlink_to(tmp_path / "elsewhere")
    (top / "round.png").symlink_to(top / "round.png")
    (top / "nowhere.png").symlink_to(top / "gone.png")
    found = sorted(images_below(top))
    assert [name for name in found if "2.png" not in name] == [
        one,
        str(top / "nowhere.png"),
        str(top / "round.png"),
    ]  # the last two are named where they cannot be read
    assert [os.path.realpath(name) for name in found if "2.png" in name] == [outside]


def test_one_folder_may_be_passed_over(tmp_path):
    kept = touch(tmp_path / "a.png")
    touch(tmp_path / "out" / "crops" / "a.png")
    assert list(images_below(tmp_path, tmp_path / "out")) == [kept]


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"gone\.png is not there"):
        list(images_of([tmp_path / "gone.png"]))
    with pytest.raises(UserError, match="photographs holds no images"):
        list(some(iter(()), "photographs"))
