from collections.abc import Iterable, Sequence
from os import PathLike
from types import TracebackType
from typing import Any, Literal, Optional, TypedDict, Union, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ferkd._types import Batch, Labels, Mining, Regions, Targets

__version__: str

_Path = Union[str, PathLike[str]]
_Which = Union[int, Iterable[int], None]
_Confidence = Literal["max", "target"]
_Threshold = Union[float, Literal["auto"], None]
_Adaptation = Literal["none", "full", "drop-only", "calibrate-only"]
_Epsilon = Union[float, Literal["confidence"]]
_Calibrated = Literal["all", "wrong"]
_Supervision = Literal["fkd", "ferkd", "ferkd+selfmix", "ferkd-drop", "ferkd-calibrate"]
_Mix = Literal["none", "selfmix", "mixup", "cutmix"]
_Codec = Literal["marginal-smoothing", "marginal-renorm", "smoothing", "hard", "full"]

class ImageInfo(TypedDict("ImageInfo", {"class": Optional[int]})):
    name: str
    width: int
    height: int
    checksum: int
    orientation: int

def set_threads(threads: int) -> None:
    """Sets the number of threads that this process works with: 0 for as many as there are cores."""

def draw_mixing(
    step: int,
    regions: Sequence[int],
    side: int,
    *,
    seed: int = 0,
    mix: _Mix = "selfmix",
    mix_probability: float = 1.0,
    mix_draws: Literal["batch", "image"] = "batch",
    mix_switch: float = 0.5,
    mix_pixel_alpha: float = 0.8,
    mix_box_alpha: float = 1.0,
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.float32], NDArray[np.int32]]:
    """Draws how the regions of a step are mixed: partners, operators, l and boxes, a row each."""

class Store:
    """A complete label store, open for reading: shared between threads, pickled by its path."""

    def __init__(self, path: _Path, regions: Optional[int] = None) -> None: ...
    def __len__(self) -> int: ...
    @property
    def path(self) -> PathLike[str]: ...
    @property
    def regions_per_image(self) -> int: ...
    @property
    def num_classes(self) -> int: ...
    @property
    def classes(self) -> list[str]: ...
    @property
    def class_names(self) -> list[str]: ...
    @property
    def temperature(self) -> float: ...
    @property
    def digest(self) -> str: ...
    @property
    def manifest(self) -> dict[str, Any]: ...
    def verify(self) -> None:
        """Reads every file and compares it with its checksum; a `ValueError` names those that are damaged."""
    def image(self, image: int) -> ImageInfo:
        """What the store knows of an image."""
    def targets(self) -> NDArray[np.int64]:
        """The ground truth: int64 (images), -1 where it is not known."""
    def regions(self, image: int, which: _Which = None) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Boxes int32 (n, 4) as top, left, height, width in pixels, and flips bool (n)."""
    @overload
    def labels(self, image: int, which: _Which = None, dense: Literal[False] = False) -> Labels:
        """The teacher's labels of an image's regions, sparse: int32 (n, K), float32 (n, K), float32 (n)."""
    @overload
    def labels(self, image: int, which: _Which = None, *, dense: Literal[True]) -> NDArray[np.float32]:
        """The teacher's labels of an image's regions over all classes: float32 (n, C)."""
    @overload
    def labels(self, image: int, which: _Which = None, dense: bool = False) -> Union[Labels, NDArray[np.float32]]:
        """Either, by what `dense` turns out to be."""
    def confidence(self, image: Optional[int] = None, confidence: _Confidence = "max") -> NDArray[np.float32]:
        """The teacher's confidence: float32 (M) of one image, (images, M) of all."""
    def mine(
        self,
        *,
        quantiles: tuple[float, float, float] = (0.02, 0.15, 0.98),
        thresholds: Union[Sequence[_Threshold], Literal["auto"], None] = None,
        confidence: _Confidence = "max",
    ) -> Mining:
        """Sorts all regions by the teacher's confidence into four kinds."""
    @overload
    def adapt(
        self,
        image: int,
        mining: Union[Mining, tuple[float, float, float]],
        which: _Which = None,
        *,
        adaptation: _Adaptation = "full",
        epsilon: Optional[_Epsilon] = None,
        calibrated: _Calibrated = "all",
        truth_weight: float = 1.0,
        dense: Literal[False] = False,
    ) -> tuple[Targets, NDArray[np.bool_]]: ...
    @overload
    def adapt(
        self,
        image: int,
        mining: Union[Mining, tuple[float, float, float]],
        which: _Which = None,
        *,
        adaptation: _Adaptation = "full",
        epsilon: Optional[_Epsilon] = None,
        calibrated: _Calibrated = "all",
        truth_weight: float = 1.0,
        dense: Literal[True],
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Labels as FerKD trains with them, and whether it trains on each region at all."""

class Batches:
    """The batches of a training run: a pure function of settings and step, the same as `ferkd train` makes."""

    def __init__(
        self,
        store: _Path,
        images: _Path,
        *,
        images_per_class: Optional[int] = None,
        supervision: _Supervision = "ferkd",
        side: int = 224,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
        epochs: int = 300,
        batch: int = 1024,
        regions_per_step: int = 4,
        opening_epochs: int = 0,
        closing_epochs: int = 0,
        store_regions: Optional[int] = None,
        quantiles: Sequence[float] = (0.02, 0.15, 0.98),
        low: _Threshold = None,
        mid: _Threshold = None,
        high: _Threshold = None,
        confidence: _Confidence = "max",
        epsilon: _Epsilon = 0.1,
        calibrated: _Calibrated = "all",
        truth_weight: float = 1.0,
        mix: Optional[_Mix] = None,
        mix_probability: float = 1.0,
        mix_draws: Literal["batch", "image"] = "batch",
        mix_partners: Literal["random", "overlap", "label"] = "random",
        mix_switch: float = 0.5,
        mix_pixel_alpha: float = 0.8,
        mix_box_alpha: float = 1.0,
        seed: int = 0,
        cache_mb: int = 0,
    ) -> None: ...
    def __len__(self) -> int: ...
    @property
    def thresholds(self) -> Optional[tuple[float, float, float]]: ...
    @property
    def counts(self) -> Optional[tuple[int, int, int, int]]: ...
    @property
    def warnings(self) -> list[str]: ...
    @property
    def num_classes(self) -> int: ...
    @property
    def temperature(self) -> float: ...
    @property
    def images(self) -> int: ...
    @property
    def side(self) -> int: ...
    @property
    def orientation(self) -> Literal["apply", "ignore"]: ...
    def epoch(self, step: int) -> float:
        """Epochs completed before a step, with fractions."""
    def step_of_epoch(self, epoch: int) -> int:
        """The first step at or after so many epochs."""
    def image_bytes(self, image: int) -> bytes:
        """The bytes of an image's file."""
    def name(self, image: int) -> str:
        """Name of an image: its relative path."""
    def batch(self, step: int, rank: int = 0, world_size: int = 1, mixed: bool = True) -> Batch:
        """The batch of a step, or a rank's share of it, cut by the core."""
    def regions(self, step: int, rank: int = 0, world_size: int = 1) -> Regions:
        """Which regions a step trains on, without their pixels."""

class StoreWriter:
    """Writes a label store from any model's answers, as `ferkd label` writes it."""

    def __init__(
        self,
        path: _Path,
        images: _Path,
        classes: Union[_Path, Iterable[str]],
        *,
        images_per_class: Optional[int] = None,
        regions: int = 16,
        seed: int = 0,
        scale: Sequence[float] = (0.08, 1.0),
        codec: _Codec = "marginal-smoothing",
        top_k: int = 5,
        temperature: float = 1.0,
        space: Optional[Literal["teacher", "folder"]] = None,
        orientation: Literal["apply", "ignore"] = "apply",
        shard_images: int = 256,
        teacher: str = "python",
        sha256: Optional[str] = None,
        side: int = 224,
        interpolation: Literal["bilinear", "bicubic"] = "bicubic",
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
    ) -> None: ...
    def __len__(self) -> int: ...
    @property
    def missing(self) -> list[int]: ...
    @property
    def regions_per_image(self) -> int: ...
    @property
    def shard_images(self) -> int: ...
    @property
    def outputs(self) -> int: ...
    @property
    def classes(self) -> list[str]: ...
    @property
    def warnings(self) -> list[str]: ...
    def name(self, image: int) -> str:
        """Name of an image: its relative path."""
    def image_bytes(self, image: int) -> bytes:
        """The bytes of an image's file."""
    def boxes(self, image: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Boxes int32 (M, 4) as top, left, height, width in pixels, and flips bool (M)."""
    def pixels(self, image: int) -> NDArray[np.float32]:
        """The regions of an image as the model sees them: float32 (M, 3, side, side)."""
    def add(self, image: int, logits: Optional[ArrayLike] = None, *, probabilities: Optional[ArrayLike] = None) -> None:
        """Adds the model's answer to all M regions of an image: float32 (M, outputs)."""
    def finish(self) -> None:
        """Checks that the store is complete, and lets go of it."""
    def close(self) -> None:
        """Lets go of the store, complete or not."""
    def __enter__(self) -> StoreWriter: ...
    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> bool: ...
