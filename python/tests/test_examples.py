"""The examples as a user starts them, on a few small pictures; skipped, aloud, without PyTorch or timm."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CLASSES, write_store

import ferkd

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the package was installed without its repository")


def run(folder: Path, name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments], cwd=folder, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def splits(images, tmp_path) -> Path:
    for split in ("train", "val"):
        shutil.copytree(images, tmp_path / "images" / split)
    return tmp_path


def test_a_resnet_is_trained_from_a_store(splits):
    pytest.importorskip("torchvision", reason="torchvision is not installed")
    write_store(splits / "store", splits / "images", regions=8, side=16)
    said = run(splits, "torch_train.py", "images", "store", "--epochs", "8", "--batch", "16", "--side", "32",
               "--workers", "0")  # fmt: skip
    assert "thresholds:" in said and "step 0/" in said
    assert 0 <= float(said.split("top-1 ")[1]) <= 1


def test_a_timm_model_labels(splits):
    pytest.importorskip("timm", reason="timm is not installed")
    (splits / "classes.txt").write_text("\n".join([*CLASSES, *(f"class {i}" for i in range(1000 - len(CLASSES)))]))
    said = run(splits, "torch_label.py", "images", "store", "--model", "resnet18", "--random", "--regions", "4",
               "--classes", "classes.txt")  # fmt: skip
    assert "12/12 images" in said and "important: " in said
    store = ferkd.Store(splits / "store")
    assert (len(store), store.regions_per_image, store.manifest["teacher"]["name"]) == (12, 4, "resnet18")
