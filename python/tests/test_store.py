import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import CLASSES, FOLDERS, REGIONS, answers

import ferkd

IMAGES = sum(FOLDERS.values())


def softmax(logits: np.ndarray) -> np.ndarray:
    p = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def test_a_store_says_what_it_holds(store, store_path):
    assert len(store) == IMAGES and store.regions_per_image == REGIONS
    assert store.classes == CLASSES and store.num_classes == len(CLASSES)
    assert store.manifest["regions"]["boxes"]["generated"]["seed"] == 3
    assert store.manifest["teacher"]["name"] == "python" and store.temperature == 1.0
    assert store.image(0)["name"] == "bee/0.png" and store.image(0)["class"] == 1
    assert store.targets().tolist() == [1] * 5 + [3] * 3 + [5] * 4
    assert store.targets().dtype == np.int64 and str(store_path) in repr(store)


def test_regions_are_boxes_within_the_image(store):
    boxes, flips = store.regions(2)
    assert boxes.shape == (REGIONS, 4) and boxes.dtype == np.int32
    assert flips.shape == (REGIONS,) and flips.dtype == np.bool_ and 0 < flips.sum() < REGIONS
    image = store.image(2)
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] >= 1).all()
    assert (boxes[:, 0] + boxes[:, 2] <= image["height"]).all()
    assert (boxes[:, 1] + boxes[:, 3] <= image["width"]).all()


@pytest.mark.parametrize("which", [[3, 0, 3], (3, 0, 3), np.array([3, 0, 3]), iter([3, 0, 3])])
def test_any_regions_can_be_asked_for_in_any_order(store, which):
    boxes, flips = store.regions(4, which)
    all_boxes, all_flips = store.regions(4)
    assert (boxes == all_boxes[[3, 0, 3]]).all() and (flips == all_flips[[3, 0, 3]]).all()
    one, _ = store.regions(4, 6)
    assert (one == all_boxes[[6]]).all()


def test_labels_are_the_teachers_within_the_codecs_tolerance(store):
    for image in range(IMAGES):
        p = softmax(answers(image))
        dense = store.labels(image, dense=True)
        assert dense.shape == p.shape and dense.dtype == np.float32
        np.testing.assert_allclose(dense.sum(1), 1, atol=1e-6)
        top = np.sort(p, 1)[:, ::-1][:, :5]
        # Marginal smoothing of the exact top 5.
        kept = np.where(p >= top[:, -1:], p, ((1 - top.sum(1)) / 2)[:, None])
        assert (np.abs(dense - kept).sum(1) / 2 < 0.01).all()
        labels = store.labels(image)
        assert labels.classes.shape == labels.probabilities.shape == (REGIONS, 5)
        assert labels.classes.dtype == np.int32 and (labels.classes[:, 0] == p.argmax(1)).all()
        again = np.repeat(labels.rest[:, None], len(CLASSES), 1)
        np.put_along_axis(again, labels.classes, labels.probabilities, 1)
        assert (again == dense).all()
        assert (store.labels(image, [1, 0]).classes == labels.classes[[1, 0]]).all()


def test_confidence_is_the_highest_probability_or_that_of_the_class(store):
    every = store.confidence()
    assert every.shape == (IMAGES, REGIONS) and every.dtype == np.float32
    target = store.confidence(confidence="target")
    for image, truth in enumerate(store.targets()):
        dense = store.labels(image, dense=True)
        assert (every[image] == dense.max(1)).all() and (store.confidence(image) == every[image]).all()
        assert (target[image] == dense[:, truth]).all()


def test_mining_sorts_by_thresholds(store):
    c = store.confidence()
    mining = store.mine(thresholds=(0.3, 0.5, 0.9))
    expected = np.select([c < np.float32(0.3), c < np.float32(0.5), c <= np.float32(0.9)], [0, 1, 2], 3)
    assert mining.kinds.dtype == np.uint8 and (mining.kinds == expected).all()
    assert list(mining.counts) == np.bincount(expected.ravel(), minlength=4).tolist()
    assert np.allclose(mining.thresholds, (0.3, 0.5, 0.9))
    assert [ferkd.KINDS[kind] for kind in (0, 3)] == ["discarded", "trivial"]


def test_quantiles_are_order_statistics(store):
    c = np.sort(store.confidence().ravel())
    mining = store.mine(quantiles=(0.1, 0.5, 0.9))
    ranks = [int(np.ceil(round(q * len(c), 6))) - 1 for q in (0.1, 0.5, 0.9)]
    assert mining.thresholds == tuple(float(c[rank]) for rank in ranks)
    assert store.mine().thresholds == store.mine(quantiles=(0.02, 0.15, 0.98)).thresholds


def test_thresholds_may_be_found_from_the_classes(store):
    mining = store.mine(thresholds="auto")
    low, mid, high = mining.thresholds
    assert (low, high) == (store.mine().thresholds[0], store.mine().thresholds[2])
    assert low <= mid <= high and sum(mining.counts) == IMAGES * REGIONS
    some = store.mine(thresholds=(None, "auto", 0.99))
    assert some.thresholds[0] == store.mine().thresholds[0] and some.thresholds[2] == np.float32(0.99)


def test_context_is_calibrated_and_the_rest_untouched(store):
    mining = store.mine(thresholds=(0.3, 0.6, 0.95))
    image, truth = 6, 3
    targets, kept = store.adapt(image, mining, epsilon=0.2)
    kinds, dense = mining.kinds[image], store.labels(image, dense=True)
    softened = np.full(len(CLASSES), 0.2 / 6)
    softened[truth] = 0.8
    for region, label in enumerate(targets.dense(len(CLASSES))):
        expected = softened if kinds[region] in (0, 1) else dense[region]
        np.testing.assert_allclose(label, expected, atol=1e-6)
    assert kept.tolist() == [kind in (1, 2) for kind in kinds] and {1, 2} <= set(kinds.tolist())
    again, _ = store.adapt(image, mining, epsilon=0.2, dense=True)
    np.testing.assert_allclose(again, targets.dense(len(CLASSES)), atol=1e-6)
    same, kept = store.adapt(image, (0.3, 0.6, 0.95), adaptation="none", dense=True)
    assert (same == dense).all() and kept.all()


def test_options_of_calibration(store):
    mining = store.mine(thresholds=(0.0, 1.0, 1.0))
    image, truth = 0, 1
    dense = store.labels(image, dense=True)
    by_confidence, _ = store.adapt(image, mining, epsilon="confidence", dense=True)
    np.testing.assert_allclose(by_confidence[:, truth], dense.max(1), atol=1e-6)
    half, _ = store.adapt(image, mining, epsilon=0, truth_weight=0.5, dense=True)
    np.testing.assert_allclose(half, (np.eye(len(CLASSES))[truth] + dense) / 2, atol=1e-6)
    wrong, _ = store.adapt(image, mining, calibrated="wrong", dense=True)
    right = dense.argmax(1) == truth
    assert (wrong[right] == dense[right]).all()


def test_a_store_is_pickled_by_its_path(store, store_path):
    again = pickle.loads(pickle.dumps(store))
    assert again.digest == store.digest and (again.labels(1).classes == store.labels(1).classes).all()
    first = pickle.loads(pickle.dumps(ferkd.Store(store_path, regions=3)))
    assert first.regions_per_image == 3 and first.confidence().shape == (IMAGES, 3)
    assert (first.confidence() == store.confidence()[:, :3]).all()


def test_many_threads_read_one_store(store):
    expected = [store.labels(image, dense=True) for image in range(IMAGES)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            found = list(pool.map(lambda image: store.labels(image, dense=True), range(IMAGES)))
            assert all((a == b).all() for a, b in zip(found, expected))


@pytest.mark.parametrize("which", [[True, False] * 4, np.array([True, False] * 4), np.bool_(True), True])
def test_a_mask_is_no_list_of_regions(store, which):
    with pytest.raises(ValueError, match=r"numpy\.flatnonzero"):
        store.regions(0, which)


def test_errors_are_the_cores(store, store_path, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        ferkd.Store(tmp_path / "nowhere")
    for call, text in [
        (lambda: store.regions(99), "99"),
        (lambda: store.regions(-1), "count from 0"),
        (lambda: store.labels(0, 99), "take 0 to 7"),
        (lambda: store.labels(0, [-2]), "count from 0"),
        (lambda: store.mine(confidence="most"), "`max`"),
        (lambda: store.mine(thresholds=(0.5, 0.2, 0.9)), "ascend"),
        (lambda: store.mine(thresholds=(0.5, None, None)), "give all three"),
        (lambda: store.mine(thresholds=(0.1, 0.2)), "low, mid, high"),
        (lambda: store.adapt(0, (0.1, 0.2, 0.9), adaptation="some"), "`full`"),
        (lambda: store.adapt(0, (0.1, 0.2, 0.9), epsilon=2), "epsilon"),
        (lambda: ferkd.Store(store_path, regions=99), "take 1 to 8"),
    ]:
        with pytest.raises(ValueError, match=text):
            call()


def test_a_damaged_store_is_named(images, tmp_path, settings):
    from conftest import write_store

    write_store(tmp_path / "s", images, **settings)
    manifest = tmp_path / "s" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"seed": 3', '"seed": 4'))
    with pytest.raises(ValueError, match=r"manifest\.json.*checksum"):
        ferkd.Store(tmp_path / "s")


def test_a_store_is_verified_when_asked(images, tmp_path, settings):
    from conftest import write_store

    store = write_store(tmp_path / "s", images, **settings)
    store.verify()
    shards = sorted((tmp_path / "s").glob("labels*"))
    with shards[0].open("r+b") as shard:
        shard.seek(-40, 2)
        shard.write(bytes(40))
    with pytest.raises(ValueError, match=rf"{shards[0].name}.*forget"):
        ferkd.Store(tmp_path / "s").verify()
