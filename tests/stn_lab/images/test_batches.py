"""Batches are functions of (seed, rank, step); sets are read lazily, damaged files are left out or replaced."""

import errno
import os
from itertools import islice

import numpy as np
import pytest
import torch

from stn_lab.errors import UserError
from stn_lab.images import Augmentation, Preprocessing, ReadOptions, TrainingBatches, read, read_unlabelled, read_whole
from stn_lab.images.cache import Cache
from stn_lab.images.files import Files

from .conftest import picture

CHANGED = Augmentation(degrees=20, scale=1.2, shift=0.1, flip=True, brightness=0.1, contrast=0.1)


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def spoil(images, index):
    os.truncate(images.name(index), 40)


@pytest.mark.parametrize("augmentation", [None, CHANGED])
def test_a_batch_is_a_function_of_seed_rank_and_step(folder, augmentation):
    options = {"batch_size": 5, "augmentation": augmentation}
    first = list(islice(TrainingBatches(read(folder).train, seed=7, **options), 8))
    fresh = TrainingBatches(read(folder).train, seed=7, **options)
    assert all(same(first[step], fresh.batch(step)) for step in (7, 0, 3))
    resumed = TrainingBatches(read(folder).train, seed=7, start=5, **options)
    assert all(same(a, b) for a, b in zip(first[5:], islice(resumed, 3), strict=True))
    assert not same(first[0], TrainingBatches(read(folder).train, seed=8, **options).batch(0))
    images, labels = first[0]
    assert images.shape == (5, 3, 10, 12)
    assert images.dtype == torch.float32
    assert 0 <= images.min() < images.max() <= 1
    assert labels.dtype == torch.int64


@pytest.mark.parametrize("world_size", [1, 3])
def test_every_image_once_an_epoch_over_all_ranks(folder, world_size):
    train = read(folder).train  # 12 images
    ranks = [TrainingBatches(train, 4, 0, rank=rank, world_size=world_size) for rank in range(world_size)]
    seen = np.concatenate([ranks[rank].indices(step) for step in range(6) for rank in range(world_size)])
    epochs = seen.reshape(-1, 12)
    assert (np.sort(epochs, axis=1) == np.arange(12)).all()
    assert epochs[0].tolist() != epochs[1].tolist()


def test_changes_are_drawn_anew_for_every_seed_rank_and_step(folder):
    train = read(folder).train

    def drawn(seed, rank, step):
        batches = TrainingBatches(train, 2, seed, rank=rank, augmentation=lambda _, g: torch.rand(3, generator=g))
        return tuple(batches.batch(step)[0].tolist())

    assert len({drawn(seed, rank, step) for seed in (0, 1) for rank in (0, 1) for step in (0, 1)}) == 8
    assert drawn(1, 1, 1) == drawn(1, 1, 1)


def test_batches_may_be_larger_than_the_set(folder):
    train = read(folder).train
    assert np.bincount(TrainingBatches(train, 30, 0).indices(0)).max() == 3


def test_labels_belong_to_their_images(folder):
    train = read(folder).train
    batches = TrainingBatches(train, 6, 0)
    images, labels = batches.batch(4)
    for index, image, label in zip(batches.indices(4), images, labels, strict=True):
        assert torch.equal(train[int(index)].image, image)
        assert train[int(index)].label == label


def test_images_are_decoded_when_asked_for_and_once(folder, monkeypatch):
    decoded = []
    read_file = Preprocessing.pixels_of_file
    monkeypatch.setattr(Preprocessing, "pixels_of_file", lambda *a: decoded.append(a[1]) or read_file(*a))
    data = read(folder)
    assert not decoded
    list(islice(TrainingBatches(data.train, 4, 0), 9))
    assert sorted(decoded) == sorted(data.train.name(index) for index in range(12))
    list(data.test.batches(3))
    list(data.test.batches(3))
    assert len(decoded) == 16


def test_the_test_set_is_read_in_order_in_batches(folder):
    test = read(folder).test
    batches = list(test.batches(3))
    assert [len(images) for images, _ in batches] == [3, 1]
    assert torch.equal(torch.cat([images for images, _ in batches]), torch.stack([test[i].image for i in range(4)]))
    assert torch.equal(torch.cat([labels for _, labels in batches]), test.labels)
    assert same(next(iter(test.batches(3))), batches[0])
    with pytest.raises(IndexError):
        test[4]


def test_damage_that_only_decoding_finds(folder):
    """Of formats with an end: the headers were whole when the folder was read."""
    data = read(folder)
    spoil(data.train, 2)
    spoil(data.test, 1)
    batches = TrainingBatches(data.train, 12, 0)
    place = batches.indices(0).tolist().index(2)
    images, labels = batches.batch(0)
    assert torch.equal(images[place], data.train[3].image)
    assert labels[place] == data.train.labels[3]
    assert same(batches.batch(0), (images, labels))
    assert [len(images) for images, _ in data.test.batches(10)] == [3]
    assert torch.cat([indices for indices, _ in data.test.chunks(2)]).tolist() == [0, 2, 3]
    assert [name for name, _ in data.skipped] == [data.train.name(2), data.test.name(1)]
    assert "skipped 2 images" in data.summary()


def test_no_image_left_to_train_on(folder):
    train = read(folder).train
    for index in range(len(train)):
        spoil(train, index)
    with pytest.raises(UserError, match="none of the 12 images to train on can be read"):
        next(iter(TrainingBatches(train, 4, 0)))


def test_batches_do_not_depend_on_the_cache_or_the_threads(folder, monkeypatch):
    options = {"batch_size": 6, "seed": 0}
    kept = read(folder)
    expected = list(islice(TrainingBatches(kept.train, **options), 6))
    assert len(kept.train.reader.cache) == 12
    monkeypatch.setattr("stn_lab.images.sets.WORKERS", 1)
    bare = read(folder)
    bare.train.reader.cache.capacity = 0
    assert all(same(a, b) for a, b in zip(expected, islice(TrainingBatches(bare.train, **options), 6), strict=True))
    assert len(bare.train.reader.cache) == 0


def test_the_cache_keeps_no_more_than_its_limit():
    cache = Cache(10, (1, 4, 4), limit=3 * 16)
    for number in range(10):
        cache.put(number, np.full((1, 4, 4), number, dtype=np.uint8))
    assert len(cache) == 3
    out = np.empty((1, 4, 4), dtype=np.uint8)
    assert [cache.get(number, out) for number in range(10)] == [True] * 3 + [False] * 7


def test_a_full_disk_does_not_stop_it(folder, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    data = read(folder)
    assert len(list(islice(TrainingBatches(data.train, 4, 0), 9))) == 9
    assert len(data.train.reader.cache) == 0


def test_the_cache_leaves_no_file(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    data = read(folder)
    next(iter(TrainingBatches(data.train, 4, 0)))
    assert len(data.train.reader.cache) > 0
    assert not list((tmp_path / "temporary").iterdir())


def test_an_iteration_that_is_given_up_ends_its_thread(folder):
    batches = iter(TrainingBatches(read(folder).train, 4, 0))
    next(batches)
    batches.close()


def test_a_whole_folder_for_a_trained_network(folder):
    images = read_whole(folder, ("dog", "cat", "emu"), Preprocessing((8, 8), 1))
    assert len(images) == 20
    assert images.counts(3).tolist() == [10, 10, 0]
    assert images[0].image.shape == (1, 8, 8)
    with pytest.raises(UserError, match="not learnt: 'dog'; learnt were 'cat', 'emu'"):
        read_whole(folder, ("cat", "emu"), Preprocessing((8, 8), 1))


def test_images_without_classes(folder, tmp_path):
    single = picture(tmp_path / "one.jpg")
    (folder / "cat" / "text.png").write_text("x")
    images, skipped = read_unlabelled([folder, single], ReadOptions.like(Preprocessing((8, 8), 3, "squeeze")))
    assert len(images) == 21
    assert (images.labels == -1).all()
    assert images.name(20) == str(single)
    assert [reason for _, reason in skipped] == ["not an image that Pillow can read"]
    with pytest.raises(UserError, match="not there"):
        read_unlabelled([tmp_path / "nothing"])
    with pytest.raises(UserError, match="none of its 1 images can be read"):
        read_unlabelled([folder / "cat" / "text.png"])


def test_files_say_their_names():
    assert Files(["a.png"]).name(0) == "a.png"
