"""The listings of docs/python.md do what they say."""

import re
from pathlib import Path

import numpy as np
import pytest
from conftest import CLASSES, FOLDERS, REGIONS, write_store

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch.utils.data import DataLoader  # noqa: E402

from ferkd.torch import Dataset  # noqa: E402

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def listing(heading: str) -> str:
    """The code that follows a line of the page."""
    if not PAGE.is_file():
        pytest.skip(f"no {PAGE}")
    found = re.search(rf"^{heading}\n\n```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert found, f"{PAGE} has no listing behind {heading!r}"
    return found[1]


class Model(torch.nn.Module):
    """A layer, and the batches that it saw."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layer = torch.nn.Linear(3, len(CLASSES))
        self.seen: list[torch.Tensor] = []

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        self.seen.append(pixels)
        return self.layer(pixels.mean((2, 3)))


@pytest.mark.parametrize("supervision", ["fkd", "ferkd+selfmix"])
def test_fkds_loop_in_new_lines_trains_on_every_region_as_often_as_before(images, tmp_path, supervision):
    write_store(tmp_path / "labels", images, regions=REGIONS, seed=3, space="teacher")
    code = listing("After:")
    # The one word that the page says is all that changes.
    assert code.count('"fkd"') == 1
    model, rates = Model(), []
    epochs, crops, batch_size = 6, 2, 5
    before = [parameter.detach().clone() for parameter in model.parameters()]
    scope = {
        "DataLoader": DataLoader,
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), 0.1),
        "adjust_learning_rate": lambda optimizer, epoch, args: rates.append((epoch, args)),
        "args": "args",
        "labels": tmp_path / "labels",
        "images": images,
        "device": "cpu",
        "epochs": epochs,
        "num_crops": crops,
        "batch_size": batch_size,
        "temp": 1.0,
        "workers": 0,
    }
    exec(compile(code.replace('"fkd"', f'"{supervision}"'), str(PAGE), "exec"), scope)
    assert rates == [(epoch, "args") for epoch in (0, 2, 4, 5)]
    # Steps as in FKD: ceil(5 / 2) = 3 images of two regions, then 5 of one; the rest of a pass is a smaller step.
    total = sum(FOLDERS.values())
    sizes = [len(pixels) for pixels in model.seen]
    if supervision == "fkd":
        assert sizes == [6, 6, 6, 6] * 2 + [5, 5, 2] * 2 and sum(sizes) == epochs * total
    data = Dataset(tmp_path / "labels", images, supervision=supervision, epochs=epochs, batch=batch_size,
                   regions_per_step=crops, closing_epochs=crops)  # fmt: skip
    assert len(sizes) == len(data) == 14
    assert all(np.array_equal(seen, data[step].pixels) for step, seen in enumerate(model.seen))
    assert not all(torch.equal(a, b) for a, b in zip(before, model.parameters()))
