"""`ferkd.torch`: where PyTorch is not installed these tests are skipped, and say so."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from conftest import CLASSES, FOLDERS

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch.utils.data import DataLoader  # noqa: E402

import ferkd  # noqa: E402
from ferkd.torch import Batch, Dataset, Mixing, SelfMix, Steps, Targets, soft_cross_entropy  # noqa: E402

SETTINGS = {"epochs": 4, "batch": 10, "regions_per_step": 2, "side": 16, "seed": 7, "quantiles": (0.1, 0.5, 0.9)}


def same(a: Batch, b: ferkd.Batch) -> bool:
    pairs = zip((a.pixels, *a.targets[:3]), (b.pixels, *b.targets))
    return (a.step, a.total) == (b.step, b.total) and all(np.array_equal(x.numpy(), y) for x, y in pairs)


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_any_workers_give_the_cores_batches_in_order(store_path, images, workers, start):
    if start == "spawn" and workers != 1:
        pytest.skip("one worker that is not forked will do: it imports PyTorch again")
    batches = ferkd.Batches(store_path, images, supervision="ferkd+selfmix", **SETTINGS)
    data = Dataset(store_path, images, supervision="ferkd+selfmix", **SETTINGS)
    data[0]  # The parent's threads run before it is forked.
    context = start if workers else None
    loader = DataLoader(data, batch_size=None, num_workers=workers, multiprocessing_context=context)
    found = list(loader)
    assert [batch.step for batch in found] == list(range(len(batches))) and len(data) == len(batches)
    assert all(isinstance(batch, Batch) and isinstance(batch.targets, Targets) for batch in found)
    assert all(same(batch, batches.batch(batch.step)) for batch in found)


def test_steps_go_on_where_a_run_stopped(store_path, images):
    data = Dataset(store_path, images, **SETTINGS)
    loader = DataLoader(data, batch_size=None, sampler=Steps(data, 2, 5))
    assert len(loader) == 3 and [batch.step for batch in loader] == [2, 3, 4]
    assert list(Steps(data, 4)) == [4, 5]


def test_ranks_share_a_step(store_path, images):
    whole = Dataset(store_path, images, **SETTINGS)[1]
    parts = [Dataset(store_path, images, rank=rank, world_size=2, **SETTINGS)[1] for rank in (0, 1)]
    assert torch.equal(torch.cat([part.pixels for part in parts]), whole.pixels)
    assert {part.total for part in parts} == {len(whole.pixels)}
    with pytest.raises(ValueError, match="give both"):
        Dataset(store_path, images, rank=0, **SETTINGS)


RANK = """
import sys
import torch
from torch.utils.data import DataLoader
from ferkd.torch import Dataset


def main(store, images, folder, rank):
    # The group may come after the data set, and a worker that is not forked is in no group at all.
    data = Dataset(store, images, **{settings!r})
    torch.distributed.init_process_group("gloo", init_method=f"file://{{folder}}/meet", rank=int(rank), world_size=2)
    assert (data.rank, data.world_size) == (int(rank), 2)
    loader = DataLoader(data, batch_size=None, num_workers=1, multiprocessing_context="spawn")
    torch.save([(batch.pixels, batch.total) for batch in loader], f"{{folder}}/{{rank}}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
"""


def test_ranks_are_torch_distributeds(store_path, images, tmp_path):
    if not torch.distributed.is_available():
        pytest.skip("this PyTorch is not distributed")
    script = tmp_path / "rank.py"
    script.write_text(RANK.format(settings=SETTINGS))
    command = [sys.executable, str(script), str(store_path), str(images), str(tmp_path)]
    ranks = [subprocess.Popen([*command, str(rank)]) for rank in (0, 1)]
    assert [rank.wait(timeout=300) for rank in ranks] == [0, 0]
    parts = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    whole = Dataset(store_path, images, **SETTINGS)
    assert len(whole) == len(parts[0]) == len(parts[1])
    for step in range(len(whole)):
        (first, total), (second, _) = parts[0][step], parts[1][step]
        assert torch.equal(torch.cat([first, second]), whole[step].pixels) and total == len(first) + len(second)


def test_a_pickled_dataset_keeps_the_thresholds_that_were_found(store_path, images):
    data = Dataset(store_path, images, **SETTINGS)
    again = pickle.loads(pickle.dumps(data))
    assert again.batches.thresholds == data.batches.thresholds
    assert torch.equal(again[3].pixels, data[3].pixels)


@pytest.mark.parametrize("mix", ["none", "selfmix", "mixup", "cutmix"])
@pytest.mark.parametrize("draws", ["batch", "image"])
def test_mixing_on_the_device_is_the_cores_to_the_bit(store_path, images, mix, draws):
    settings = {**SETTINGS, "epochs": 20, "mix": mix, "mix_draws": draws}
    batches = ferkd.Batches(store_path, images, **settings)
    data = Dataset(store_path, images, mix_on="device", **settings)
    for step in range(len(data)):
        batch, expected = data[step], batches.batch(step)
        assert isinstance(batch.mixing, Mixing)
        assert np.array_equal(batch.pixels.numpy(), batches.batch(step, mixed=False).pixels)
        mixed = batch.to("cpu").mixed()
        assert mixed.mixing is None and np.array_equal(mixed.pixels.numpy(), expected.pixels)
        assert np.array_equal(mixed.targets.dense(7).numpy(), expected.targets.dense(7))


def test_selfmix_of_batches_from_elsewhere_is_drawn_as_the_core_draws(store_path, images):
    settings = {**SETTINGS, "epochs": 20, "mix": "selfmix"}
    data = Dataset(store_path, images, mix_on="device", **settings)
    mix = SelfMix(seed=7)
    for step in range(len(data)):
        batch, regions = data[step], data.batches.regions(step)
        per_image = np.unique(regions.images, return_counts=True)[1].tolist()
        pixels, targets = mix(batch.pixels, batch.targets, step, per_image)
        expected = batch.mixed()
        assert torch.equal(pixels, expected.pixels)
        assert all(torch.equal(a, b) for a, b in zip(targets[:3], expected.targets))
    with pytest.raises(ValueError, match="regions: 3 of all images"):
        mix(batch.pixels, batch.targets, 0, [3])
    with pytest.raises(ValueError, match="mix_probability"):
        SelfMix(probability=2).draw(0, [2], 8)


def test_the_sparse_loss_is_the_dense_one_and_has_its_gradient(store_path, images):
    batch = Dataset(store_path, images, supervision="ferkd+selfmix", **SETTINGS)[0]
    draw = torch.Generator().manual_seed(1)
    logits = torch.randn(len(batch.pixels), 7, generator=draw, dtype=torch.float32, requires_grad=True)
    dense = batch.targets.dense(7)
    torch.testing.assert_close(dense.sum(1), torch.ones(len(dense)))
    loss = soft_cross_entropy(logits, batch.targets, 2.0)
    reference = torch.nn.functional.cross_entropy(logits / 2, dense)
    torch.testing.assert_close(loss, reference)
    torch.testing.assert_close(soft_cross_entropy(logits, dense, 2.0), reference)
    torch.testing.assert_close(
        torch.autograd.grad(loss, logits)[0],
        (torch.softmax(logits / 2, 1) - dense) / 2 / len(dense),
    )
    each = soft_cross_entropy(logits, batch.targets, 2.0, "none")
    torch.testing.assert_close(each.mean(), loss)
    torch.testing.assert_close(each.sum(), soft_cross_entropy(logits, batch.targets, 2.0, "sum"))


def test_a_loss_of_other_shapes_is_refused(store_path, images):
    batch = Dataset(store_path, images, supervision="ferkd+selfmix", **SETTINGS)[0]
    logits = torch.zeros(len(batch.pixels), 7)
    dense = batch.targets.dense(7)
    refused = [
        ({"logits": logits, "reduction": "avg"}, "invalid reduction 'avg'"),
        ({"logits": logits, "temperature": 0.0}, "invalid temperature"),
        ({"logits": logits, "temperature": float("nan")}, "invalid temperature"),
        ({"logits": logits[0]}, "invalid logits of shape"),
        ({"logits": logits[1:]}, "logits of 9 regions: expected 10"),
        ({"logits": torch.zeros(len(logits), 1000)}, "1000 classes: expected 7, the store's"),
        ({"logits": torch.zeros(len(logits), 3)}, "3 classes: expected 7, the store's"),
        ({"logits": logits, "targets": dense[:, :1]}, "invalid targets torch.float32"),
        ({"logits": logits, "targets": dense.argmax(1)}, "invalid targets torch.int64"),
        ({"logits": logits, "targets": dense.long()}, "invalid targets torch.int64"),
    ]
    for given, why in refused:
        with pytest.raises(ValueError, match=why):
            soft_cross_entropy(**{"targets": batch.targets, **given})
    # Mixing and moving keep the number of classes.
    device = Dataset(store_path, images, mix_on="device", supervision="ferkd+selfmix", **SETTINGS)[0]
    assert device.to("cpu").mixed().targets.num_classes == 7


def test_a_loader_that_would_collate_says_what_to_pass(store_path, images):
    data = Dataset(store_path, images, **SETTINGS)
    with pytest.raises(TypeError, match="batch_size=None"):
        next(iter(DataLoader(data)))
    for step in (-1, len(data)):
        with pytest.raises(IndexError, match=f"step {step}"):
            data[step]


def test_regions_cut_by_pillow_are_the_cores_within_its_rounding(store_path, images):
    pytest.importorskip("PIL", reason="Pillow is not installed")

    def transform(picture):
        assert picture.size == (16, 16) and picture.mode == "RGB"
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255
        return (pixels - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
            :, None, None
        ]

    settings = {**SETTINGS, "supervision": "ferkd+selfmix", "mix_probability": 0.0}
    core = Dataset(store_path, images, **settings)
    pillow = Dataset(store_path, images, transform=transform, **settings)
    for step in range(len(core)):
        a, b = core[step], pillow[step]
        levels = (a.pixels - b.pixels).abs() * 0.226 * 255
        # As in tests/tests/all/pillow.rs: two levels of 255 at most, half a level in the mean.
        assert levels.max() < 2.1 and levels.mean() < 0.5
        assert all(torch.equal(x, y) for x, y in zip(a.targets.dense(7), b.targets.dense(7)))


def test_torchvisions_transforms_take_the_regions(store_path, images):
    transforms = pytest.importorskip("torchvision.transforms", reason="torchvision is not installed")
    jitter = transforms.Compose([transforms.ColorJitter(0.4), transforms.ToTensor()])
    data = Dataset(store_path, images, transform=jitter, supervision="ferkd+selfmix", **SETTINGS)
    batch = data[0]
    assert batch.pixels.shape == (10, 3, 16, 16) and 0 <= batch.pixels.min() <= batch.pixels.max() <= 1


def test_torchvision_cuts_a_box_as_the_core_does(store_path, images):
    functional = pytest.importorskip("torchvision.transforms.functional", reason="torchvision is not installed")
    from PIL import Image

    data = ferkd.Batches(store_path, images, supervision="fkd", mean=(0.0,) * 3, std=(1.0,) * 3, **SETTINGS)
    regions, batch = data.regions(0), data.batch(0)
    names = [ferkd.Store(store_path).image(image)["name"] for image in range(sum(FOLDERS.values()))]
    for row, image in enumerate(regions.images):
        picture = Image.open(images / names[image]).convert("RGB")
        cut = functional.resized_crop(picture, *regions.boxes[row].tolist(), [16, 16], antialias=True)
        pixels = functional.to_tensor(functional.hflip(cut) if regions.flips[row] else cut)
        levels = (pixels.numpy() - batch.pixels[row]) * 255
        # As Pillow's own goldens.
        assert np.abs(levels).max() < 2.1 and np.abs(levels).mean() < 0.5


class Model(torch.nn.Module):
    """A model whose answers are known by the pixels alone."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.flat, self.head = torch.nn.Flatten(), torch.nn.Linear(3 * 12 * 12, len(CLASSES))
        self.default_cfg = {
            "architecture": "tiny",
            "input_size": (3, 12, 12),
            "mean": (0.5, 0.5, 0.5),
            "std": (0.5, 0.5, 0.5),
            "interpolation": "bilinear",
        }

    def forward(self, pixels):
        return self.head(self.flat(pixels))


def test_a_model_labels_images_in_three_lines(images, tmp_path):
    seen, model = [], Model()
    store = ferkd.label(model, images, tmp_path / "s", classes=CLASSES, regions=4, codec="full", batch=3,
                        progress=lambda done, total: seen.append((done, total)))  # fmt: skip
    assert seen == [(done, 12) for done in range(1, 13)]
    teacher = store.manifest["teacher"]
    assert (teacher["name"], teacher["side"], teacher["filter"]) == ("tiny", 12, "bilinear")
    assert teacher["normalisation"]["mean"] == [0.5] * 3 and len(teacher["sha256"]) == 64
    with ferkd.StoreWriter(tmp_path / "t", images, CLASSES, regions=4, side=12, interpolation="bilinear",
                           mean=[0.5] * 3, std=[0.5] * 3) as writer:  # fmt: skip
        pixels = torch.from_numpy(writer.pixels(5))
        writer.close()
    with torch.no_grad():
        p = torch.softmax(model(pixels).double()[:, [1, 3, 5]], 1)
    np.testing.assert_allclose(store.labels(5, dense=True), p.numpy(), atol=1e-6)
    # The same call finds it done.
    again = ferkd.label(model, images, tmp_path / "s", classes=CLASSES, regions=4, codec="full",
                        progress=lambda *_: pytest.fail("nothing is left to label"))  # fmt: skip
    assert again.digest == store.digest
    with pytest.raises(ValueError, match="sha256"):
        other = Model()
        other.head.bias.data += 1
        ferkd.label(other, images, tmp_path / "s", classes=CLASSES, regions=4, codec="full")


def test_a_model_may_be_wrapped_in_half_precision_or_of_transformers(images, tmp_path):
    class Answer:
        def __init__(self, logits):
            self.logits = logits

    class Wrapped(Model):
        def get_extra_state(self):
            return {"steps": 3}

        def set_extra_state(self, state):
            pass

        def forward(self, pixels):
            assert pixels.dtype == self.head.weight.dtype
            return Answer(super().forward(pixels))

    given = {"classes": CLASSES, "regions": 4, "codec": "full", "batch": 8}
    plain = ferkd.label(Model(), images, tmp_path / "plain", **given)
    answers = ferkd.label(Wrapped(), images, tmp_path / "answers", **given)
    assert answers.manifest["teacher"]["sha256"] == plain.manifest["teacher"]["sha256"]
    np.testing.assert_array_equal(answers.labels(3, dense=True), plain.labels(3, dense=True))
    parallel = ferkd.label(torch.nn.DataParallel(Model()), images, tmp_path / "plain", **given)
    assert parallel.digest == plain.digest, "the same weights go on"
    half = ferkd.label(Wrapped().bfloat16(), images, tmp_path / "half", **given)
    np.testing.assert_allclose(half.labels(3, dense=True), plain.labels(3, dense=True), atol=0.05)
    ferkd.label(Wrapped().double(), images, tmp_path / "double", **given)
    for answer in (lambda pixels: (pixels,), lambda pixels: pixels):
        odd = Model()
        odd.forward = answer
        with pytest.raises(TypeError, match=r"expected logits \(N, outputs\)"):
            ferkd.label(odd, images, tmp_path / "odd", **given)


def test_a_model_is_left_as_it_was_and_gets_whole_batches(images, tmp_path):
    model, sizes = Model().train(), []
    model.flat.eval()
    forward = model.forward
    model.forward = lambda pixels: (sizes.append((len(pixels), model.training)), forward(pixels))[1]
    given = {"classes": CLASSES, "regions": 4, "codec": "full", "shard_images": 5}
    whole = ferkd.label(model, images, tmp_path / "whole", batch=12, **given)
    # Three images at once, of shards of 5, 5 and 2.
    assert sizes == [(12, False), (8, False), (12, False), (8, False), (8, False)]
    assert model.training and not model.flat.training and model.head.training

    # A run that goes on gives the same batches, and so the same bytes.
    class Stop(Exception):
        pass

    def stop(done, total):
        if done == 7:
            raise Stop

    with pytest.raises(Stop):
        ferkd.label(model, images, tmp_path / "again", batch=12, progress=stop, **given)
    assert ferkd.label(model, images, tmp_path / "again", batch=12, **given).digest == whole.digest
    silent = Model()
    silent.default_cfg = None
    silent.head = torch.nn.Linear(3 * 224 * 224, len(CLASSES))
    with pytest.warns(UserWarning, match="side 224, bicubic, ImageNet's mean and std are assumed"):
        ferkd.label(silent, images, tmp_path / "silent", images_per_class=1, **given)


def test_a_transform_may_cut_for_the_model(images, tmp_path):
    pytest.importorskip("PIL", reason="Pillow is not installed")

    def transform(picture):
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 127.5 - 1

    given = {"classes": CLASSES, "regions": 4, "codec": "full"}
    by_core = ferkd.label(Model(), images, tmp_path / "core", **given)
    by_pillow = ferkd.label(Model(), images, tmp_path / "pillow", transform, **given)
    for image in range(sum(FOLDERS.values())):
        np.testing.assert_allclose(by_core.labels(image, dense=True), by_pillow.labels(image, dense=True), atol=0.02)


def test_a_batch_moves_as_a_whole(store_path, images):
    batch = Dataset(store_path, images, mix_on="device", supervision="ferkd+selfmix", **SETTINGS)[0]
    moved = batch.to("meta")
    assert {tensor.device.type for tensor in (moved.pixels, *moved.targets[:3], *moved.mixing)} == {"meta"}
    with pytest.raises(ValueError, match="mix_on"):
        Dataset(store_path, images, mix_on="both", **SETTINGS)
