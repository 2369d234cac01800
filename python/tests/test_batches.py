"""Batches against what they are made of: regions and labels of the store, and pixels that the core cut elsewhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import CLASSES, FOLDERS

import ferkd

IMAGES = sum(FOLDERS.values())
SIDE = 16
SETTINGS = {"epochs": 4, "batch": 10, "regions_per_step": 2, "side": SIDE, "seed": 7, "quantiles": (0.1, 0.5, 0.9)}


@pytest.fixture
def batches(store_path, images):
    return ferkd.Batches(store_path, images, **SETTINGS)


@pytest.fixture(scope="session")
def cut(images, tmp_path_factory):
    """Every region as a student sees it: float32 (images, M, 3, side, side)."""
    path = tmp_path_factory.mktemp("cut") / "s"
    settings = {"regions": 8, "seed": 3, "side": SIDE, "interpolation": "bilinear"}
    with ferkd.StoreWriter(path, images, CLASSES, **settings) as writer:
        pixels = np.stack([writer.pixels(image) for image in range(IMAGES)])
        writer.close()
    return pixels


def same(a: ferkd.Batch, b: ferkd.Batch) -> bool:
    arrays = zip((a.pixels, *a.targets), (b.pixels, *b.targets))
    return all(x.dtype == y.dtype and np.array_equal(x, y) for x, y in arrays) and a[2:] == b[2:]


def test_every_pass_visits_every_image_once(batches):
    # 12 images, 5 a step: three steps a pass, two passes.
    assert len(batches) == 6 and batches.images == IMAGES
    for first in (0, 3):
        seen = [batches.regions(step).images for step in range(first, first + 3)]
        assert [len(images) for images in seen] == [10, 10, 4]
        assert np.bincount(np.concatenate(seen)).tolist() == [2] * IMAGES
    assert batches.epoch(3) == 2 and batches.step_of_epoch(2) == 3
    with pytest.raises(IndexError, match="6 steps"):
        batches.batch(6)


def test_a_batch_is_its_regions_pixels_and_adapted_labels(batches, store, cut):
    mining = store.mine(quantiles=SETTINGS["quantiles"])
    assert batches.thresholds == mining.thresholds and tuple(batches.counts) == tuple(mining.counts)
    for step in range(len(batches)):
        batch, regions = batches.batch(step), batches.regions(step)
        assert (batch.step, batch.first, batch.total) == (step, 0, len(regions.images))
        assert np.array_equal(batch.pixels, cut[regions.images, regions.numbers])
        assert np.bincount(regions.kinds, minlength=4).tolist() == list(batch.kinds)
        assert set(regions.kinds) <= {1, 2} or batch.fallbacks
        dense = batch.targets.dense(len(CLASSES))
        for row, (image, number) in enumerate(zip(regions.images, regions.numbers)):
            boxes, flips = store.regions(int(image), int(number))
            assert (boxes[0] == regions.boxes[row]).all() and flips[0] == regions.flips[row]
            assert regions.kinds[row] == mining.kinds[image, number]
            label, _ = store.adapt(int(image), mining, int(number), dense=True)
            np.testing.assert_allclose(dense[row], label[0], atol=1e-6)


def test_fkd_trains_on_every_region_with_the_teachers_label(store_path, images, store):
    batches = ferkd.Batches(store_path, images, **{**SETTINGS, "supervision": "fkd", "epochs": 16})
    assert batches.thresholds is None and batches.counts is None
    seen = np.zeros((IMAGES, 8), int)
    for step in range(12):
        regions, dense = batches.regions(step), batches.batch(step).targets.dense(len(CLASSES))
        for row, (image, number) in enumerate(zip(regions.images, regions.numbers)):
            seen[image, number] += 1
            np.testing.assert_allclose(dense[row], store.labels(int(image), int(number), dense=True)[0], atol=1e-6)
    assert (seen.sum(1) == 8).all() and (seen > 0).sum() > IMAGES * 4


def test_a_pass_of_one_region_opens_and_closes_a_run(store_path, images):
    settings = {**SETTINGS, "opening_epochs": 1, "closing_epochs": 2, "epochs": 5, "supervision": "fkd"}
    batches = ferkd.Batches(store_path, images, **settings)
    counts = [
        len(set(batches.regions(step).images)) / len(batches.regions(step).images) for step in range(len(batches))
    ]
    # 10 images a step where one region is taken, 5 where two are.
    assert counts == [1, 1, 0.5, 0.5, 0.5, 1, 1, 1, 1]


@pytest.mark.parametrize("mix", ["none", "selfmix", "mixup", "cutmix"])
def test_ranks_add_up_to_the_batch(store_path, images, mix):
    batches = ferkd.Batches(store_path, images, mix=mix, **SETTINGS)
    for step in range(len(batches)):
        whole = batches.batch(step)
        for world_size in (1, 2, 3, 7):
            parts = [batches.batch(step, rank, world_size) for rank in range(world_size)]
            assert [part.first for part in parts] == np.cumsum([0, *(len(p.pixels) for p in parts[:-1])]).tolist()
            assert all(part.total == len(whole.pixels) for part in parts)
            assert np.array_equal(np.concatenate([part.pixels for part in parts]), whole.pixels)
            for field in range(3):
                rows = [part.targets[field] for part in parts if len(part.pixels)]
                assert np.array_equal(np.concatenate(rows), whole.targets[field])


@pytest.mark.parametrize("mix", ["selfmix", "mixup", "cutmix"])
@pytest.mark.parametrize("draws", ["batch", "image"])
def test_mixed_pixels_are_those_that_the_rows_say(store_path, images, mix, draws):
    settings = {**SETTINGS, "epochs": 20, "mix": mix, "mix_draws": draws, "mix_probability": 0.8}
    batches, kinds = ferkd.Batches(store_path, images, **settings), set()
    for step in range(len(batches)):
        plain, mixed, regions = batches.batch(step, mixed=False), batches.batch(step), batches.regions(step)
        assert np.array_equal(plain.targets.dense(7), regions.targets.dense(7))
        expected, labels = plain.pixels.copy(), plain.targets.dense(7)
        expected_labels = labels.copy()
        for row, (partner, how, l) in enumerate(zip(regions.partners, regions.mix, regions.l)):  # noqa: E741
            kinds.add(int(how))
            other, rest = plain.pixels[partner], np.float32(1) - l
            if how == 1:
                expected[row] = l * plain.pixels[row] + rest * other
            elif how == 2:
                top, bottom, left, right = regions.paste[row]
                expected[row][:, top:bottom, left:right] = other[:, top:bottom, left:right]
                assert np.isclose(l, 1 - (bottom - top) * (right - left) / SIDE**2)
            if partner != row:
                expected_labels[row] = l * labels[row] + rest * labels[partner]
        assert np.array_equal(mixed.pixels, expected)
        np.testing.assert_allclose(mixed.targets.dense(7), expected_labels, atol=1e-6)
        if mix == "selfmix":
            assert np.array_equal(regions.images[regions.partners], regions.images)
    assert kinds == {"selfmix": {0, 1, 2}, "mixup": {0, 1}, "cutmix": {0, 2}}[mix]


def test_a_batch_depends_on_the_step_and_the_seed_alone(store_path, images, batches):
    again = ferkd.Batches(store_path, images, **SETTINGS)
    backwards = [again.batch(step) for step in reversed(range(len(again)))][::-1]
    assert all(same(batches.batch(step), backwards[step]) for step in range(len(again)))
    other = ferkd.Batches(store_path, images, **{**SETTINGS, "seed": 8})
    assert not np.array_equal(other.regions(0).images, batches.regions(0).images)
    cached = ferkd.Batches(store_path, images, cache_mb=8, **SETTINGS)
    assert all(same(batches.batch(step), cached.batch(step)) for step in [0, 0, 3])
    for threads in (1, 3):
        ferkd.set_threads(threads)
        assert same(batches.batch(1), backwards[1])
    ferkd.set_threads(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_makes_batches_too(store_path, images):
    # The parent's threads are running; a child that waited for them would wait for ever.
    code = """
import json, os, sys
import ferkd
batches = ferkd.Batches(sys.argv[1], sys.argv[2], **json.loads(sys.argv[3]))
first = batches.batch(0)
child = os.fork()
if child == 0:
    ok = (batches.batch(0).pixels == first.pixels).all()
    os._exit(0 if ok else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    arguments = [str(store_path), str(images), json.dumps(SETTINGS)]
    assert subprocess.run([sys.executable, "-c", code, *arguments], timeout=60).returncode == 0


def test_what_does_not_fit_is_refused(store_path, images, tmp_path):
    for settings, text in [
        ({"epoch": 4}, "did you mean `epochs`"),
        ({"epochs": 5, "regions_per_step": 2}, "multiple of 2"),
        ({"supervision": "kd"}, "ferkd"),
        ({"side": 4}, "8 to 4096"),
        ({"epsilon": 1.5}, "epsilon"),
        ({"std": (0, 1, 1)}, "std above 0"),
        ({"mix_partners": "overlap"}, "mix_partners"),
        ({"low": 0.1}, "give all three"),
        ({"store_regions": 99}, "take 1 to 8"),
        ({"quantiles": (0.1, 0.2)}, "quantiles"),
    ]:
        with pytest.raises(ValueError, match=text):
            ferkd.Batches(store_path, images, **{**SETTINGS, **settings})
    with pytest.raises(TypeError, match="expected a number"):
        ferkd.Batches(store_path, images, side=object())
    batches = ferkd.Batches(store_path, images, **SETTINGS)
    with pytest.raises(ValueError, match="rank 2 of 2"):
        batches.batch(0, 2, 2)
    mixup = ferkd.Batches(store_path, images, mix="mixup", **SETTINGS)
    with pytest.raises(ValueError, match="another share"):
        for rank in range(5):
            mixup.regions(0, rank, 5)
    (tmp_path / "bee").mkdir()
    (tmp_path / "bee" / "0.png").write_bytes((images / "bee" / "0.png").read_bytes())
    with pytest.raises(ValueError, match="11 of the store are missing"):
        ferkd.Batches(store_path, tmp_path, **SETTINGS)


def core_batches() -> list:
    """Batches that `ferkd train` made, written by the Rust test that calls this one."""
    folder = os.environ.get("FERKD_CORE_BATCHES")
    return json.loads((Path(folder) / "batches.json").read_text()) if folder else []


@pytest.mark.skipif("FERKD_CORE_BATCHES" not in os.environ, reason="no batches of the program: FERKD_CORE_BATCHES")
def test_batches_are_those_of_the_program_to_the_bit():
    runs = core_batches()
    folder = Path(os.environ["FERKD_CORE_BATCHES"])
    assert len(runs) >= 3
    for run in runs:
        batches = ferkd.Batches(folder / "store", folder / "scenes", **run["settings"])
        assert len(batches) == run["steps"]
        for made in run["batches"]:
            batch = batches.batch(made["step"], made["rank"], made["world_size"])

            def core(name, dtype, made=made):
                return np.fromfile(folder / f"{made['file']}-{name}", dtype)

            assert np.array_equal(core("pixels", "<f4"), batch.pixels.ravel())
            assert np.array_equal(core("classes", "<i4"), batch.targets.classes.ravel())
            assert np.array_equal(core("weights", "<f4"), batch.targets.weights.ravel())
            assert np.array_equal(core("rest", "<f4"), batch.targets.rest)
            assert list(batch.kinds) == made["kinds"] and batch.total == made["total"]
