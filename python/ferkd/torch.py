"""FerKD in a PyTorch training loop: batches for a `DataLoader`, SelfMix on the device, and the loss.

For a seed and a step, `Dataset` gives the images, regions, flips and labels that `ferkd train` gives, whatever the
number of workers and ranks:

    data = Dataset("labels", "imagenet", supervision="ferkd+selfmix", epochs=100, batch=1024)
    for batch in DataLoader(data, batch_size=None, num_workers=8, pin_memory=True):
        batch = batch.to(device)
        loss = soft_cross_entropy(model(batch.pixels), batch.targets, data.temperature)
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, Callable, Literal, NamedTuple, Optional, Union

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset as _Dataset
from torch.utils.data import Sampler, get_worker_info

from ferkd import _types
from ferkd._native import Batches, draw_mixing, set_threads

__all__ = ["Batch", "Dataset", "Mixing", "SelfMix", "Steps", "Targets", "soft_cross_entropy"]

_Device = Union[str, torch.device]


class Targets(NamedTuple):
    """Soft labels of N regions: every class has `rest`, and those listed have a weight more."""

    classes: Tensor
    """Listed classes, padded with 0: int32 (N, slots). A class may be listed twice."""
    weights: Tensor
    """Probability of a listed class beyond `rest`, padded with 0: float32 (N, slots)."""
    rest: Tensor
    """Probability that every class has at least: float32 (N)."""
    num_classes: Optional[int] = None
    """Number of classes C, which the loss holds the logits against; None where it is not known."""

    def to(self, device: _Device, non_blocking: Optional[bool] = None) -> Targets:
        """The same on a device; see `Batch.to`."""
        classes, weights, rest = (_moved(tensor, device, non_blocking) for tensor in self[:3])
        return Targets(classes, weights, rest, self.num_classes)

    def dense(self, num_classes: int) -> Tensor:
        """All probabilities: float32 (N, C)."""
        dense = self.rest[:, None].repeat(1, num_classes)
        return dense.scatter_add_(1, self.classes.long(), self.weights)


class Mixing(NamedTuple):
    """How each of N regions is mixed with another one of the batch."""

    partners: Tensor
    """The row that it is mixed with; its own where it is not mixed: int64 (N)."""
    mix: Tensor
    """How: uint8 (N). 0 not at all, 1 pixel by pixel, 2 by a pasted box."""
    l: Tensor  # noqa: E741, the method's name for it
    """Weight of its own pixels and label: float32 (N), in 0 to 1."""
    paste: Tensor
    """The box that is pasted: top, bottom, left, right, half-open, in pixels: int32 (N, 4)."""

    def to(self, device: _Device, non_blocking: Optional[bool] = None) -> Mixing:
        """The same on a device; see `Batch.to`."""
        return Mixing(*(_moved(tensor, device, non_blocking) for tensor in self))

    def pixels(self, pixels: Tensor) -> Tensor:
        """Mixed pixels (N, channels, side, side) of unmixed ones, on their device."""
        if not len(pixels):
            return pixels
        other, own = pixels[self.partners], self.l.to(pixels.dtype)[:, None, None, None]
        rows = torch.arange(pixels.shape[-2], device=pixels.device)[None, :, None]
        columns = torch.arange(pixels.shape[-1], device=pixels.device)[None, None, :]
        top, bottom, left, right = (edge[:, None, None] for edge in self.paste.unbind(1))
        inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
        how = self.mix[:, None, None, None]
        # The core's two roundings: no fused multiply-add, no lerp.
        mixed = torch.where(how == 1, own * pixels + (1 - own) * other, pixels)
        return torch.where((how == 2) & inside[:, None], other, mixed)

    def targets(self, targets: Targets) -> Targets:
        """The mixed labels of unmixed ones: a region that is its own partner keeps its label."""
        alone = self.partners == torch.arange(len(self.partners), device=self.partners.device)
        own = torch.where(alone, torch.ones_like(self.l), self.l)[:, None]
        other = 1 - own
        return Targets(
            torch.cat([targets.classes, targets.classes[self.partners]], 1),
            torch.cat([own * targets.weights, other * targets.weights[self.partners]], 1),
            own[:, 0] * targets.rest + other[:, 0] * targets.rest[self.partners],
            targets.num_classes,
        )


class Batch(NamedTuple):
    """The N regions of a step, or of a rank's share of it."""

    pixels: Tensor
    """float32 (N, 3, side, side), normalised; mixed where `mixing` is None."""
    targets: Targets
    """The labels; mixed where `mixing` is None."""
    step: int
    """Number of the step, from 0."""
    total: int
    """Regions of the step; more than N where this is a rank's share."""
    mixing: Optional[Mixing] = None
    """How to mix on the device: see `mixed`."""

    def to(self, device: _Device, non_blocking: Optional[bool] = None) -> Batch:
        """The same on a device.

        Args:
            device: Where to.
            non_blocking: Whether to go on before everything has arrived; if left out, on the way to a device other
                than the CPU, whose work waits for it by itself.
        """
        moved = None if self.mixing is None else self.mixing.to(device, non_blocking)
        pixels = _moved(self.pixels, device, non_blocking)
        return Batch(pixels, self.targets.to(device, non_blocking), self.step, self.total, moved)

    def mixed(self) -> Batch:
        """The batch with pixels and labels mixed, where that was left to the device."""
        if self.mixing is None:
            return self
        pixels, targets = self.mixing.pixels(self.pixels), self.mixing.targets(self.targets)
        return Batch(pixels, targets, self.step, self.total)


class Dataset(_Dataset[Batch]):
    """The steps of a training run: `dataset[step]` is the whole batch of a step, or this rank's share of it.

    Use it with `DataLoader(dataset, batch_size=None, num_workers=...)`: batches are made by the workers, and come in
    the order of their steps. The share of a rank is a run of the step's images with all their regions, so that no
    `DistributedSampler` is needed.

    Args:
        store: The label store's folder.
        images: The images that were labelled.
        transform: Makes a tensor (3, side, side) of a PIL picture that is one region, cropped, resized to `side` and
            mirrored by Pillow, such as a torchvision transform. Without it the core cuts, resizes and normalises.
        mix_on: "host": batches are mixed. "device": they come unmixed, and `batch.to(device).mixed()` mixes them.
        rank: This process's share of each step; torch.distributed's rank if left out, once its group is there.
        world_size: Number of shares; torch.distributed's world size if left out.
        **settings: Those of `ferkd.Batches`, which are those of `ferkd train`.

    Raises:
        ValueError: An unknown setting, images that are not the store's, a damaged store.
        OSError: The system refused.
    """

    def __init__(
        self,
        store: Union[str, os.PathLike[str]],
        images: Union[str, os.PathLike[str]],
        *,
        transform: Optional[Callable[[Any], Tensor]] = None,
        mix_on: Literal["host", "device"] = "host",
        rank: Optional[int] = None,
        world_size: Optional[int] = None,
        **settings: Any,
    ) -> None:
        if mix_on not in ("host", "device"):
            raise ValueError(f'mix_on: {mix_on!r}; expected "host" or "device"')
        if (rank is None) != (world_size is None):
            raise ValueError("rank, world_size: only one of them is given (give both, or none)")
        self._given = (os.fspath(store), os.fspath(images), settings)
        self.transform = transform
        self.mix_on = mix_on
        self._place = None if rank is None or world_size is None else (rank, world_size)
        self.batches = Batches(store, images, **settings)

    def __getstate__(self) -> dict[str, Any]:
        """A worker that is not forked opens store and images again, with the thresholds that were found."""
        # A worker is in no group of processes: it takes its parent's place.
        state = {**self.__dict__, "_place": (self.rank, self.world_size)}
        batches = state.pop("batches")
        if batches.thresholds is not None:
            store, images, settings = self._given
            found = dict(zip(("low", "mid", "high"), batches.thresholds))
            state["_given"] = (store, images, {**settings, **found})
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        store, images, settings = self._given
        self.batches = Batches(store, images, **settings)

    def __len__(self) -> int:
        """Number of steps."""
        return len(self.batches)

    @property
    def rank(self) -> int:
        """Which share of each step is this process's, from 0."""
        return (self._place or _place())[0]

    @property
    def world_size(self) -> int:
        """Number of shares."""
        return (self._place or _place())[1]

    @property
    def temperature(self) -> float:
        """Temperature of the teacher's softmax: the student's in the loss."""
        return self.batches.temperature

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return self.batches.num_classes

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step, counted from 0."""
        if not 0 <= step < len(self):
            raise IndexError(f"step {step}: expected 0 to {len(self) - 1}")
        _share_cores()
        at = (step, self.rank, self.world_size)
        if self.transform is None and self.mix_on == "host":
            made = self.batches.batch(*at)
            return Batch(torch.from_numpy(made.pixels), self._targets(made.targets), step, made.total)
        regions = self.batches.regions(*at)
        pixels = self._cut(regions) if self.transform else torch.from_numpy(self.batches.batch(*at, mixed=False).pixels)
        mixing = _mixing((regions.partners, regions.mix, regions.l, regions.paste))
        batch = Batch(pixels, self._targets(regions.targets), step, regions.total, mixing)
        return batch if self.mix_on == "device" else batch.mixed()

    def __getitems__(self, steps: Sequence[int]) -> list[Batch]:
        """What a `DataLoader` asks for that would put several steps into one batch."""
        raise TypeError("Dataset gives whole batches: pass batch_size=None to DataLoader")

    def _targets(self, targets: _types.Targets) -> Targets:
        classes, weights, rest = (torch.from_numpy(array) for array in targets)
        return Targets(classes, weights, rest, self.num_classes)

    def _cut(self, regions: _types.Regions) -> Tensor:
        """Pixels of regions, by Pillow and the transform. Regions of an image follow each other."""
        from ferkd._pillow import cut, opened

        side, orientation = self.batches.side, self.batches.orientation
        if self.transform is None or not len(regions.images):
            return torch.empty(0, 3, side, side)
        last, picture, pixels = -1, None, []
        for image, box, flip in zip(regions.images.tolist(), regions.boxes.tolist(), regions.flips.tolist()):
            if image != last:
                last, picture = image, opened(self.batches.image_bytes(image), orientation)
            pixels.append(self.transform(cut(picture, box, flip, side, "bilinear")))
        return torch.stack(pixels)


class Steps(Sampler[int]):
    """Steps `start` to `stop` of a `Dataset`, in order: a run that goes on, or an epoch of it.

    Args:
        dataset: Whose steps.
        start: The first one.
        stop: The one behind the last; the run's end if left out.
    """

    def __init__(self, dataset: Dataset, start: int = 0, stop: Optional[int] = None) -> None:
        self.range = range(start, len(dataset) if stop is None else min(stop, len(dataset)))

    def __iter__(self) -> Iterator[int]:
        return iter(self.range)

    def __len__(self) -> int:
        return len(self.range)


class SelfMix:
    """SelfMix for batches from elsewhere: regions of one image are mixed with each other, on the batch's device.

    Drawn from the seed and the step, as `ferkd train` draws.

    Args:
        seed: Seed of partners, operators and strengths.
        mix: "selfmix", or the baselines "mixup" and "cutmix", which mix across images.
        probability: Probability that what an operator is drawn for is mixed at all.
        draws: Whether operator, strength and box are drawn once a "batch" or for each "image".
        switch: Probability that SelfMix mixes pixels rather than pastes a box.
        pixel_alpha: Pixels are mixed with l from Beta(a, a).
        box_alpha: Boxes are pasted with l from Beta(a, a).
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        mix: Literal["none", "selfmix", "mixup", "cutmix"] = "selfmix",
        probability: float = 1.0,
        draws: Literal["batch", "image"] = "batch",
        switch: float = 0.5,
        pixel_alpha: float = 0.8,
        box_alpha: float = 1.0,
    ) -> None:
        self.settings = {
            "seed": seed,
            "mix": mix,
            "mix_probability": probability,
            "mix_draws": draws,
            "mix_switch": switch,
            "mix_pixel_alpha": pixel_alpha,
            "mix_box_alpha": box_alpha,
        }

    def draw(self, step: int, regions: Sequence[int], side: int) -> Mixing:
        """How the regions of a step are mixed: `regions` says how many follow each other of each image."""
        return _mixing(draw_mixing(step, list(regions), side, **self.settings))

    def __call__(self, pixels: Tensor, targets: Targets, step: int, regions: Sequence[int]) -> tuple[Tensor, Targets]:
        """Mixes pixels (N, 3, side, side) and labels of a step, of which `regions` follow each other of each image."""
        if sum(regions) != len(pixels):
            raise ValueError(f"regions: {sum(regions)} of all images; the batch has {len(pixels)}")
        if pixels.shape[-1] != pixels.shape[-2]:
            raise ValueError(f"pixels: {tuple(pixels.shape)}; expected square pictures")
        mixing = self.draw(step, regions, pixels.shape[-1]).to(pixels.device)
        return mixing.pixels(pixels), mixing.targets(targets)


def soft_cross_entropy(
    logits: Tensor,
    targets: Union[Targets, Tensor],
    temperature: float = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Tensor:
    """Cross-entropy of logits (N, C) with soft labels, in nats, computed in float32; a dense label is never built.

    Ranks whose shares are not equally long have `ferkd train`'s gradient with
    `soft_cross_entropy(..., reduction="sum") * world_size / batch.total`, for DDP averages over ranks.

    Args:
        logits: Of the student: (N, C).
        targets: Sparse labels, or dense ones (N, C).
        temperature: Of the student's softmax, above 0: the store's.
        reduction: "mean" or "sum" over regions, or "none": (N).

    Raises:
        ValueError: Logits and labels of other regions or classes, labels that are class indices, another reduction.
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'invalid reduction {reduction!r}: expected "mean", "sum" or "none"')
    if not temperature > 0:
        raise ValueError(f"invalid temperature {temperature}: expected a number above 0")
    if logits.ndim != 2:
        raise ValueError(f"invalid logits of shape {tuple(logits.shape)}: expected (N, C)")
    if isinstance(targets, Tensor):
        if targets.shape != logits.shape or not targets.is_floating_point():
            found = f"{targets.dtype} {tuple(targets.shape)}"
            raise ValueError(f"invalid targets {found}: expected probabilities of shape {tuple(logits.shape)}")
    else:
        regions, num_classes = len(targets.rest), targets.num_classes
        if len(logits) != regions:
            raise ValueError(f"invalid logits of {len(logits)} regions: expected {regions}, as the targets have")
        if num_classes is not None and logits.shape[1] != num_classes:
            problem = f"invalid logits of {logits.shape[1]} classes: expected {num_classes}, the store's"
            raise ValueError(f"{problem} (give the model an output for each: dataset.num_classes)")
    log_p = torch.log_softmax(logits.float() / temperature, 1)
    if isinstance(targets, Tensor):
        losses = -(log_p * targets).sum(1)
    else:
        listed = (log_p.gather(1, targets.classes.long()) * targets.weights).sum(1)
        losses = -(listed + log_p.sum(1) * targets.rest)
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


def _mixing(arrays: Sequence[np.ndarray[Any, Any]]) -> Mixing:
    return Mixing(*(torch.from_numpy(array) for array in arrays))


def _moved(tensor: Tensor, device: _Device, non_blocking: Optional[bool]) -> Tensor:
    # Towards the CPU, what has not arrived would be read as it is.
    waits = torch.device(device).type == "cpu" if non_blocking is None else not non_blocking
    return tensor.to(device, non_blocking=not waits)


def _place() -> tuple[int, int]:
    """Rank and world size of this process."""
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


_prepared = None


def _share_cores() -> None:
    """Workers share the cores that this process may use, rather than each taking all of them."""
    global _prepared
    worker = get_worker_info()
    if worker is not None and _prepared != os.getpid():
        _prepared = os.getpid()
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        # torchrun says how many ranks share the machine.
        ranks = os.environ.get("LOCAL_WORLD_SIZE", "")
        set_threads(max(1, cores // worker.num_workers // max(1, int(ranks) if ranks.isdecimal() else 1)))
