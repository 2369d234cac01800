import hashlib
from pathlib import Path

import numpy as np
import pytest
from conftest import CLASSES, REGIONS, answers, write_png

import ferkd


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "writer.lock"}


def test_every_file_is_checksummed(store_path):
    lines = (store_path / "checksums.sha256").read_text().splitlines()
    listed = dict(reversed(line.split("  ", 1)) for line in lines if not line.startswith("#"))
    files = contents(store_path)
    assert set(listed) == set(files) - {"checksums.sha256"}
    for name, checksum in listed.items():
        assert hashlib.sha256(files[name]).hexdigest() == checksum


def test_an_interrupted_store_is_gone_on_with_and_has_the_same_bytes(images, tmp_path, settings, store_path):
    class Killed(Exception):
        pass

    with pytest.raises(Killed), ferkd.StoreWriter(tmp_path, images, CLASSES, **settings) as writer:
        assert writer.missing == list(range(12)) and len(writer) == 12
        for image in writer.missing[:7]:
            writer.add(image, answers(image))
        assert writer.missing == list(range(7, 12))
        raise Killed
    with pytest.raises(ValueError, match="2 of 3 shards are missing"):
        ferkd.Store(tmp_path)
    with ferkd.StoreWriter(tmp_path, images, CLASSES, **settings) as writer:
        # Two images of the second shard are lost with it.
        assert writer.missing == list(range(5, 12))
        for image in reversed(writer.missing):
            writer.add(image, answers(image))
    assert contents(tmp_path) == contents(store_path)


def test_logits_and_their_probabilities_give_the_same_store(images, tmp_path, settings, store_path):
    with ferkd.StoreWriter(tmp_path, images, CLASSES, **settings) as writer:
        for image in writer.missing:
            z = answers(image).astype(np.float64)
            p = np.exp(z - z.max(1, keepdims=True))
            writer.add(image, probabilities=(p / p.sum(1, keepdims=True)).astype(np.float32))
    names = [name for name in contents(tmp_path) if name.startswith("labels")]
    for name in names:
        a, b = np.load(tmp_path / name), np.load(store_path / name)
        assert (a["class"] == b["class"]).all()
        # The last bit of a probability may fall to the other side of a code.
        assert np.abs(a["q1"].astype(int) - b["q1"].astype(int)).max() <= 1


def test_labels_may_name_the_folders_classes_only(images, tmp_path):
    with ferkd.StoreWriter(tmp_path, images, CLASSES, regions=REGIONS, codec="full", side=16) as writer:
        assert writer.classes == ["bee", "dog", "fox"] and writer.outputs == len(CLASSES)
        for image in writer.missing:
            writer.add(image, answers(image))
    store = ferkd.Store(tmp_path)
    assert store.targets().tolist() == [0] * 5 + [1] * 3 + [2] * 4
    z = answers(7).astype(np.float64)[:, [1, 3, 5]]
    p = np.exp(z - z.max(1, keepdims=True))
    np.testing.assert_allclose(store.labels(7, dense=True), p / p.sum(1, keepdims=True), atol=1e-7)


def test_boxes_to_cut_are_those_that_the_store_will_give(images, tmp_path, settings, store):
    with ferkd.StoreWriter(tmp_path, images, CLASSES, **settings) as writer:
        for image in writer.missing:
            boxes, flips = writer.boxes(image)
            expected_boxes, expected_flips = store.regions(image)
            assert (boxes == expected_boxes).all() and (flips == expected_flips).all()
            assert writer.pixels(image).shape == (REGIONS, 3, 16, 16)
            assert writer.image_bytes(image) == (images / writer.name(image)).read_bytes()
            writer.add(image, answers(image))


def test_pixels_are_the_normalised_crop(tmp_path):
    picture = np.random.default_rng(5).integers(0, 256, (24, 24, 3)).astype(np.uint8)
    (tmp_path / "images").mkdir()
    write_png(tmp_path / "images" / "a.png", picture)
    whole = {"scale": (1.0, 1.0), "side": 24, "mean": [0.5, 0.25, 0], "std": [0.5, 0.25, 1], "regions": 40}
    with ferkd.StoreWriter(tmp_path / "s", tmp_path / "images", CLASSES, **whole) as writer:
        boxes, flips = writer.boxes(0)
        pixels = writer.pixels(0)
        # A box of the whole image is not resized.
        region = next(i for i in range(40) if boxes[i].tolist() == [0, 0, 24, 24] and flips[i])
        scaled = (picture / 255 - np.array([0.5, 0.25, 0])) / np.array([0.5, 0.25, 1])
        expected = scaled.transpose(2, 0, 1)[:, :, ::-1].astype(np.float32)
        assert (pixels[region] == expected).all()
        writer.add(0, np.zeros((40, len(CLASSES))))


def test_what_does_not_fit_is_refused(images, tmp_path, settings):
    writer = ferkd.StoreWriter(tmp_path / "s", images, CLASSES, **settings)
    good = answers(0)
    for call, text in [
        (lambda: writer.add(0, good[:, 1:]), r"expected \(8, 7\)"),
        (lambda: writer.add(0), "either logits or probabilities"),
        (lambda: writer.add(0, good, probabilities=good), "either"),
        (lambda: writer.add(0, np.full_like(good, np.nan)), "bee/0.png"),
        (lambda: writer.add(0, probabilities=good), "bee/0.png"),
        (lambda: writer.add(12, good), "there are 12"),
        (lambda: writer.finish(), "shards are missing"),
        (lambda: writer.missing, "finished or closed"),
        (lambda: ferkd.StoreWriter(tmp_path / "t", images, ["cat"]), "bee"),
        (lambda: ferkd.StoreWriter(tmp_path / "t", images, []), "classes"),
        (lambda: ferkd.StoreWriter(tmp_path / "t", images, CLASSES, region=4), "did you mean `regions`"),
        (lambda: ferkd.StoreWriter(tmp_path / "t", images, CLASSES, codec="zip"), "marginal-smoothing"),
        (lambda: ferkd.StoreWriter(tmp_path / "s", images, CLASSES, **{**settings, "seed": 4}), "seed"),
    ]:
        with pytest.raises(ValueError, match=text):
            call()


def test_an_image_is_labelled_once(images, tmp_path, settings):
    with ferkd.StoreWriter(tmp_path, images, CLASSES, **settings) as writer:
        writer.add(0, answers(0))
        with pytest.raises(ValueError, match="labelled already"):
            writer.add(0, answers(0))
        writer.close()


def test_one_writer_at_a_time(images, tmp_path, settings):
    writer = ferkd.StoreWriter(tmp_path, images, CLASSES, **settings)
    with pytest.raises(OSError):
        ferkd.StoreWriter(tmp_path, images, CLASSES, **settings)
    writer.close()
    ferkd.StoreWriter(tmp_path, images, CLASSES, **settings).close()


def test_imagenet_is_known_by_name(tmp_path):
    (tmp_path / "images" / "n02124075").mkdir(parents=True)
    write_png(tmp_path / "images" / "n02124075" / "a.png", np.zeros((30, 30, 3), np.uint8))
    with ferkd.StoreWriter(tmp_path / "s", tmp_path / "images", "imagenet", space="teacher", regions=2) as writer:
        assert writer.outputs == 1000
        writer.add(0, np.zeros((2, 1000)))
    assert ferkd.Store(tmp_path / "s").targets().tolist() == [285]
