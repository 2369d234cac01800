"""Against the program: FERKD_PROGRAM names it. Stores that it wrote, and whole runs that it trained."""

import copy
import json
import math
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import ferkd

PROGRAM = os.environ.get("FERKD_PROGRAM")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no program: FERKD_PROGRAM")


def ferkd_(folder: Path, line: str) -> None:
    done = subprocess.run([PROGRAM, *line.split()], cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> Path:
    """40 scenes of the demo to train on, and labels of 8 regions each: one store as usual, one with all classes."""
    at = tmp_path_factory.mktemp("program")
    ferkd_(at, "demo --scenes 1 --out all")
    for half, count in [("train", 4), ("val", 2)]:
        for digit in range(10):
            (at / "scenes" / half / str(digit)).mkdir(parents=True)
            for picture in sorted((at / "all" / half / str(digit)).iterdir())[:count]:
                picture.rename(at / "scenes" / half / str(digit) / picture.name)
    for codec in ("marginal-smoothing", "full"):
        ferkd_(
            at,
            f"label scenes --teacher digits --out {codec} --regions 8 --codec {codec} --shard-images 15 --device flex",
        )
    return at


def contents(folder: Path) -> dict:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "writer.lock"}


def test_the_same_probabilities_give_the_programs_store_byte_by_byte(scenes, tmp_path):
    full, usual = ferkd.Store(scenes / "full"), ferkd.Store(scenes / "marginal-smoothing")
    if usual.manifest["format"] == 1:
        pytest.skip("the program is older than the package: it writes another format")
    teacher = usual.manifest["teacher"]
    settings = {
        "regions": 8,
        "shard_images": 15,
        "teacher": teacher["name"],
        "sha256": teacher["sha256"],
        "side": teacher["side"],
        "interpolation": teacher["filter"],
        **teacher["normalisation"],
    }
    with ferkd.StoreWriter(tmp_path, scenes / "scenes", usual.classes, **settings) as writer:
        for image in writer.missing:
            boxes, flips = writer.boxes(image)
            assert np.array_equal(boxes, usual.regions(image)[0]) and np.array_equal(flips, usual.regions(image)[1])
            writer.add(image, probabilities=full.labels(image, dense=True))
    ours, theirs = contents(tmp_path), contents(scenes / "marginal-smoothing")
    # The program keeps who said what the teacher sees, and with it another manifest and its checksum.
    manifests = [json.loads(found.pop("manifest.json")) for found in (ours, theirs)]
    manifests[1]["teacher"].pop("sources", None)
    assert manifests[0] == manifests[1]
    for found in (ours, theirs):
        lines = found.pop("checksums.sha256").decode().splitlines()
        found["checksums"] = [line for line in lines if "manifest" not in line and not line.startswith("#")]
    assert ours == theirs


@pytest.mark.parametrize("supervision", ["fkd", "ferkd", "ferkd+selfmix"])
@pytest.mark.parametrize("arch", ["resnet8", "vit-ti16"])
def test_a_run_by_pytorch_has_the_losses_of_one_by_the_program(scenes, tmp_path, supervision, arch):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from reference_models import ResNet8, ViT
    from torch.utils.data import DataLoader

    from ferkd.torch import Dataset, soft_cross_entropy

    torch.manual_seed(0)
    if arch == "resnet8":
        model, size, side, peak = ResNet8(8, 10), "--width 8", 16, 0.005
    else:
        model, side, peak = ViT(16, 4, 32, 2, 2, 10), 16, 0.05
        size = "--patch 4 --width 32 --depth 2 --heads 2"
    begin = tmp_path / "begin.pth"
    if arch == "resnet8":
        torch.save(model.state_dict(), begin)
    else:
        # Shapes do not tell how many heads a transformer of this size has: a file of the program's says it.
        safetensors = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")
        begin = tmp_path / "begin.safetensors"
        vit = {"side": side, "patch": 4, "width": 32, "depth": 2, "heads": 2}
        digits = [str(digit) for digit in range(10)]
        card = {
            "spec": {"arch": arch, "classes": 10, "vit": vit},
            "side": side,
            "normalisation": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
            "classes": {"ids": digits, "names": digits},
        }
        safetensors.save_file(model.state_dict(), begin, {"ferkd": json.dumps(card)})
    store = scenes / "marginal-smoothing"
    ferkd_(
        scenes,
        f"train --images scenes --store {store} --supervision {supervision} --arch {arch} {size} --side {side} "
        f"--epochs 20 --batch 16 --regions-per-step 2 --seed 4 --lr {peak} --log-every 1 --eval-every 20 "
        f"--weights {begin} --device flex --run {tmp_path / 'run'}",
    )
    events = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    theirs = [event["loss"] for event in events if event.get("event") == "metric"]

    data = Dataset(store, scenes / "scenes", supervision=supervision, side=side, epochs=20, batch=16,
                   regions_per_step=2, seed=4)  # fmt: skip

    def losses(model) -> np.ndarray:
        optimizer = torch.optim.SGD(model.parameters(), peak, momentum=0.9, weight_decay=1e-4)
        model.train()
        found = []
        for batch in DataLoader(data, batch_size=None):
            for group in optimizer.param_groups:
                group["lr"] = peak * (1 + math.cos(math.pi * batch.step / len(data))) / 2
            loss = soft_cross_entropy(model(batch.pixels), batch.targets, data.temperature)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        return np.array(found)

    # What rounding alone does: PyTorch beside itself, from weights that differ in the last bits. Most of such runs stay
    # together, until somewhere a ReLU that is nearly 0 falls to the other side.
    nudged = [copy.deepcopy(model) for _ in range(8)]
    with torch.no_grad():
        for other in nudged:
            for weight in other.parameters():
                weight *= 1 + (torch.rand_like(weight) - 0.5) * 2.0**-20
    ours = losses(model)
    assert len(ours) == len(theirs) == 50 and np.ptp(ours) > 0.1
    differences = np.abs(ours - np.array(theirs))
    own = max(np.abs(ours - losses(other)).max() for other in nudged)
    print(f"{arch}, {supervision}: largest difference after 1, 10, 50 steps: {differences[0]:.1e}, "
          f"{differences[:10].max():.1e}, {differences.max():.1e}; PyTorch's own {own:.1e}")  # fmt: skip
    # The same sums in another order. Batch norms of 16 regions amplify rounding, layer norms hardly.
    assert differences[0] < 2e-6 and differences[:10].max() < 2e-5 and differences.max() < 10 * own + 1e-5
