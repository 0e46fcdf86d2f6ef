"""Which layouts of folders are understood, and what is said of those that are not."""

import os
import shutil
import unicodedata
import zlib

import pytest

from stn_lab.errors import UserError
from stn_lab.images import ReadOptions, read

from .conftest import picture


def names(images):
    return [images.name(index) for index in range(len(images))]


def sizes(data):
    return len(data.train), len(data.validation), len(data.test)


def test_a_folder_per_class_is_split(folder):
    data = read(folder)
    assert data.classes == ("cat", "dog")
    assert sizes(data) == (12, 4, 4)
    everything = names(data.train) + names(data.validation) + names(data.test)
    assert sorted(everything) == sorted(str(path) for path in folder.rglob("*.png"))
    for images in (data.train, data.validation, data.test):
        assert [data.classes[label] for label in images.labels] == [name.split("/")[-2] for name in names(images)]
        assert len(set(images.counts(2).tolist())) == 1  # stratified


def test_mixed_the_classes_take_turns(tmp_path):
    """And every image keeps its class, its name and its place: classes of 3, 1 and 2 images."""
    for label, count in (("a", 3), ("b", 1), ("c", 2)):
        for number in range(count):
            for split in ("train", "val", "test"):
                picture(tmp_path / split / label / f"{number}.png", seed=number)
    images = read(tmp_path).test
    mixed = images.mixed()
    assert mixed.labels.tolist() == [0, 1, 2, 0, 2, 0]
    ending = [name.split("test/")[-1] for name in names(mixed)]
    assert ending == ["a/0.png", "b/0.png", "c/0.png", "a/1.png", "c/1.png", "a/2.png"]
    assert (mixed[3].image == images[1].image).all()


@pytest.mark.parametrize("validation", ["val", "valid", "validation", "dev", "Val"])
def test_a_split_that_the_person_made_stays(tmp_path, validation):
    for split, count in (("train", 3), (validation, 2), ("TEST", 1)):
        for label in ("a", "b"):
            for number in range(count):
                picture(tmp_path / split / label / f"{number}.png")
    assert sizes(read(tmp_path)) == (6, 4, 2)


def test_what_the_persons_split_lacks_is_taken_from_the_training_images(folder):
    data_folder = folder.parent / "data"
    shutil.copytree(folder, data_folder / "train")
    shutil.copytree(folder, data_folder / "test")
    data = read(data_folder)
    assert sizes(data) == (16, 4, 20)
    assert "no split for validation was given: drawn with seed 0" in data.summary()
    assert not set(names(data.train)) & set(names(data.validation))
    assert all("/test/" in name for name in names(data.test))


def test_a_class_that_is_called_train(folder):
    (folder / "cat").rename(folder / "train")
    picture(folder / "train" / "deeper" / "0.png")
    assert read(folder).classes == ("dog", "train")


def test_an_image_beside_the_classes_of_a_split_is_passed_over(folder):
    shutil.copytree(folder, folder.parent / "data" / "train")
    picture(folder.parent / "data" / "train" / "stray.png")
    data = read(folder.parent / "data")
    assert data.classes == ("cat", "dog")
    assert "passed over, in no class's folder: 'stray.png'" in data.summary()


def test_names_that_are_not_unicode(folder):
    """Bytes of an old encoding, and a line break: such names can be read, and printed."""
    (folder / "cat").rename(folder / os.fsdecode(b"k\xe4fer"))
    (folder / "dog" / "two\nlines.png").write_text("no image")
    data = read(folder)
    assert data.classes == ("dog", "k\N{REPLACEMENT CHARACTER}fer")
    assert len(list(data.test.batches())) == 1
    summary = data.summary()
    assert summary.encode()
    assert len(summary.splitlines()) == 4


def test_numbers_are_classes_in_their_order(tmp_path):
    for label in ("10", "9", "0"):
        for number in range(3):
            picture(tmp_path / label / f"{number}.png")
    assert read(tmp_path).classes == ("0", "9", "10")


def test_the_same_name_in_two_spellings_of_unicode_is_one_class(tmp_path):
    for form, split in (("NFC", "train"), ("NFD", "test")):
        for label in ("möwe", "käfer x"):
            for number in range(3):
                picture(tmp_path / split / unicodedata.normalize(form, label) / f"{number}.png")
    data = read(tmp_path)
    assert data.classes == ("käfer x", "möwe")
    assert len(data.test) == 6


def test_deeper_folders_belong_to_the_class_and_names_may_repeat(folder):
    picture(folder / "cat" / "day one" / "0.png")
    picture(folder / "cat" / "day two" / "0.png")
    assert sum(sizes(read(folder))) == 22


def test_links_are_followed_and_loops_are_not(folder):
    (folder / "cat" / "up").symlink_to(folder)
    (folder / "cat" / "self").symlink_to(folder / "cat")
    (folder / "dog" / "more").symlink_to(folder / "dog" / "self")
    elsewhere = picture(folder.parent / "elsewhere" / "1.png").parent
    (folder / "dog" / "linked").symlink_to(elsewhere)
    data = read(folder)
    assert sum(sizes(data)) == 21
    assert not data.skipped


@pytest.mark.parametrize(
    ("name", "target"),
    [("here", "."), ("up", ".."), ("aardvark", "cat"), ("kitten", "cat"), ("pups", "dog/pups"), ("cat/other", "dog")],
)
def test_no_image_is_of_two_classes_by_a_link(folder, name, target):
    """Also in training and test at once, or from beside the data."""
    picture(folder.parent / "beside" / "1.png")
    picture(folder / "dog" / "pups" / "1.png")
    (folder / name).symlink_to(folder / target)
    data = read(folder)
    assert data.classes == ("cat", "dog")
    assert sum(sizes(data)) == 21
    assert "passed over" in data.summary()


def test_classes_that_are_links_into_a_pool(folder):
    classes = folder.parent / "classes"
    classes.mkdir()
    for label in ("cat", "dog"):
        (classes / label).symlink_to(folder / label)
    assert sizes(read(classes)) == sizes(read(folder))


def test_a_link_that_leads_to_itself_is_passed_over_and_named_where_it_should_be_an_image(folder):
    for name in ("self", "self.png"):
        (folder / "cat" / name).symlink_to(folder / "cat" / name)
    data = read(folder)
    assert sizes(data) == (12, 4, 4)
    assert [name for name, _ in data.skipped] == [str(folder / "cat" / "self.png")]


def test_many_folders_that_link_to_each_other(folder):
    """Every way through twelve of them would be some hundred million."""
    for label in range(12):
        picture(folder / "cat" / str(label) / "0.png")
    for label in range(12):
        for other in range(12):
            (folder / "cat" / str(label) / f"to {other}").symlink_to(folder / "cat" / str(other))
    assert sum(sizes(read(folder))) == 32


def test_classes_that_differ_in_case_only(folder):
    for number in range(3):
        picture(folder / "Cat" / f"{number}.png")
    assert "case only: 'Cat', 'cat'" in read(folder).summary()


def test_hidden_files_and_other_files_are_passed_over(folder):
    (folder / "cat" / ".DS_Store").write_bytes(b"x")
    (folder / "cat" / "._0.png").write_bytes(b"x")
    (folder / "cat" / "notes.txt").write_text("x")
    picture(folder / ".thumbnails" / "0.png")
    data = read(folder)
    assert sum(sizes(data)) == 20
    assert not data.skipped


def test_boxes_beside_the_folders(folder):
    (folder / "boxes.csv").write_text("path,left,top,right,bottom\ncat/0.png,0,0,6,5\n")
    data = read(folder)
    with_box = [
        images.boxes[index].tolist()
        for images in (data.train, data.validation, data.test)
        for index in range(len(images))
        if images.name(index).endswith("cat/0.png")
    ]
    assert with_box == [[-1.0, -1.0, 0.0, 0.0]]
    assert data.train.has_boxes + data.validation.has_boxes + data.test.has_boxes == 1


def test_groups_stay_on_one_side(tmp_path):
    for label in ("cat", "dog"):
        for animal in range(10):
            for frame in range(3):
                picture(tmp_path / label / f"{label}{animal}_{frame}.png")
    data = read(tmp_path, ReadOptions(group_by=r"(\w+)_\d+\.png"))
    animals = [{name.rsplit("_", 1)[0] for name in names(s)} for s in (data.train, data.validation, data.test)]
    assert sum(len(group) for group in animals) == len(set.union(*animals)) == 20
    assert all(set(s.labels.tolist()) == {0, 1} for s in (data.train, data.validation, data.test))


def test_the_size_is_that_of_the_images_where_they_have_one(folder):
    assert read(folder).preprocessing.size == (10, 12)
    picture(folder / "cat" / "other.png", (30, 30))
    assert read(folder).preprocessing.size == (96, 96)
    assert read(folder, ReadOptions(size=(7, 9))).train[0].image.shape == (3, 7, 9)


def test_grey_folders_have_one_channel(tmp_path):
    for label in "ab":
        for number in range(3):
            picture(tmp_path / label / f"{number}.png", mode="L")
    assert read(tmp_path).preprocessing.channels == 1
    assert read(tmp_path, ReadOptions(channels=3)).train[0].image.shape == (3, 10, 12)


def test_damaged_files_are_skipped_counted_and_listed(folder):
    (folder / "cat" / "empty.png").write_bytes(b"")
    (folder / "cat" / "text.jpg").write_text("no image")
    (folder / "cat" / "phone.heic").write_bytes(b"x")
    (folder / "dog" / "broken link.png").symlink_to(folder / "nowhere.png")
    for suffix in ("png", "jpg", "gif", "bmp", "tif", "webp"):
        path = picture(folder / "dog" / f"cut.{suffix}", (80, 80))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    data = read(folder)
    assert sum(sizes(data)) == 20
    assert len(data.skipped) == 10
    summary = data.summary()
    assert "skipped 10 images:" in summary
    assert "empty.png: not an image" in summary
    assert "and 5 more" in summary
    reasons = dict(data.skipped)
    assert "save it as PNG or JPEG" in reasons[str(folder / "cat" / "phone.heic")]
    assert reasons[str(folder / "dog" / "broken link.png")] == "not there"


@pytest.mark.parametrize("side", [10_000, 60_000])
def test_a_decompression_bomb_is_not_decoded(folder, side):
    """A small file that says it has a hundred million pixels, or some thousand million."""
    path = picture(folder / "cat" / "bomb.png")
    content = bytearray(path.read_bytes())
    content[16:24] = side.to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)
    (skipped,) = read(folder).skipped
    assert "too large" in skipped.reason


def emptied(folder):
    for path in folder.rglob("*.png"):
        path.unlink()


def only(folder):
    shutil.rmtree(folder / "dog")


def flat(folder):
    only(folder)
    for path in list((folder / "cat").iterdir()):
        path.rename(folder / path.name)


def text_only(folder):
    emptied(folder)
    (folder / "cat" / "notes.txt").write_text("x")


def all_damaged(folder):
    for path in folder.rglob("*.png"):
        path.write_bytes(b"x")


def single(folder):
    picture(folder / "emu" / "0.png")


def no_training(folder):
    shutil.copytree(folder, folder.parent / "copy")
    for label in ("cat", "dog"):
        shutil.rmtree(folder / label)
    for split in ("val", "test"):
        shutil.copytree(folder.parent / "copy", folder / split)


def wrapped(folder):
    shutil.copytree(folder, folder.parent / "copy")
    for label in ("cat", "dog"):
        shutil.rmtree(folder / label)
    shutil.copytree(folder.parent / "copy", folder / "archive")


def two_validations(folder):
    shutil.copytree(folder, folder.parent / "copy")
    for split in ("train", "val", "valid"):
        shutil.copytree(folder.parent / "copy", folder / split)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (emptied, "is empty"),
        (only, "one class only, 'cat'"),
        (flat, "no folder per class"),
        (text_only, r"no images that can be read.*'\.txt'"),
        (all_damaged, "none of its 20 images can be read, the first.*not an image"),
        (single, "class 'emu' has 1 image, and 3 splits"),
        (no_training, "has 'test', 'val', but no folder 'train'"),
        (wrapped, "one class only, 'archive'.* if these are in .*archive, give that"),
        (two_validations, "'val', 'valid' are all names of the validation split"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_one_line_says_what_is_wrong(folder, harm, message):
    harm(folder)
    with pytest.raises(UserError, match=message) as error:
        read(folder)
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value) or "emu" in str(error.value)


def test_a_class_of_the_test_that_is_not_learnt(tmp_path):
    for split, label in (("train", "a"), ("train", "b"), ("test", "a"), ("test", "c")):
        for number in range(3):
            picture(tmp_path / split / label / f"{number}.png")
    with pytest.raises(UserError, match="'c' is in the test split, but not in the training images"):
        read(tmp_path)


def test_a_class_that_the_test_lacks_is_a_note(tmp_path):
    for split, label in (("train", "a"), ("train", "b"), ("test", "a"), ("val", "a"), ("val", "b")):
        for number in range(3):
            picture(tmp_path / split / label / f"{number}.png")
    assert "the test split has no image of 'b'" in read(tmp_path).summary()


def test_an_unreadable_path_is_named(tmp_path):
    with pytest.raises(UserError, match="not there"):
        read(tmp_path / "nothing")
    (tmp_path / "file.doc").write_text("x")
    with pytest.raises(UserError, match="neither a folder"):
        read(tmp_path / "file.doc")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("(", "no regular expression"), ("zebra", "finds nothing in 20 paths"), ("cat|dog", "2 groups")],
)
def test_groups_that_do_not_work(folder, pattern, message):
    with pytest.raises(UserError, match=message):
        read(folder, ReadOptions(group_by=pattern))


def test_boxes_of_a_folder_as_windows_writes_paths_and_those_of_no_image(folder):
    lines = ["path,left,top,right,bottom", r"cat\0.png,1,1,4,4", "dog/0,1,1,4,4", "cow/0.png,1,1,4,4"]
    (folder / "boxes.csv").write_text("\n".join(lines))
    data = read(folder)
    boxes = [images.boxes for images in (data.train, data.validation, data.test)]
    assert sum(int(box.isfinite().all(dim=1).sum()) for box in boxes) == 2
    assert "1 paths of boxes.csv are of no image" in data.summary()
