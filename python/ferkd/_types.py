"""What the package's functions return."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Labels(NamedTuple):
    """Soft labels of n regions as a store keeps them: the top K, and what every other class has."""

    classes: NDArray[np.int32]
    """Listed classes, most probable first: int32 (n, K)."""
    probabilities: NDArray[np.float32]
    """Their probabilities: float32 (n, K), in 0 to 1."""
    rest: NDArray[np.float32]
    """Probability of each class that is not listed: float32 (n)."""


class Targets(NamedTuple):
    """Soft labels of N regions as a loss takes them: `rest` on every class, and a weight more on listed ones."""

    classes: NDArray[np.int32]
    """Listed classes, padded with 0: int32 (N, slots). A class may be listed twice, where labels are mixed."""
    weights: NDArray[np.float32]
    """Probability of a listed class beyond `rest`, padded with 0: float32 (N, slots)."""
    rest: NDArray[np.float32]
    """Probability that every class has at least: float32 (N)."""

    def dense(self, num_classes: int) -> NDArray[np.float32]:
        """All probabilities: float32 (N, C)."""
        import numpy as np

        dense = np.repeat(self.rest[:, None], num_classes, axis=1)
        np.add.at(dense, (np.arange(len(dense))[:, None], self.classes), self.weights)
        return dense


class Mining(NamedTuple):
    """All regions of a store, sorted by the teacher's confidence."""

    kinds: NDArray[np.uint8]
    """Kind of each region: uint8 (images, M). 0 discarded, 1 context, 2 important, 3 trivial."""
    thresholds: tuple[float, float, float]
    """Thresholds low, mid, high, as confidences in 0 to 1."""
    counts: tuple[int, int, int, int]
    """Regions of each kind."""
    confidence: str
    """Which number of a label is its confidence: "max" or "target"."""
    warnings: list[str]
    """Kinds that were asked for and that no region is of."""


class Batch(NamedTuple):
    """The N regions of a step, or of a rank's share of it."""

    pixels: NDArray[np.float32]
    """Normalised and mixed pixels: float32 (N, 3, side, side)."""
    targets: Targets
    """The labels, mixed."""
    step: int
    """Number of the step, from 0."""
    first: int
    """Place of the first region among the step's."""
    total: int
    """Regions of the step; more than N where this is a share."""
    kinds: tuple[int, int, int, int]
    """The step's regions of each kind: discarded, context, important, trivial."""
    fallbacks: int
    """Images of the step of which no region survived mining, so that the nearest one was kept."""


class Regions(NamedTuple):
    """The N regions of a step without their pixels, a row each."""

    images: NDArray[np.int64]
    """Place of each region's image in the list of images: int64 (N)."""
    numbers: NDArray[np.int32]
    """Its number within the image: int32 (N)."""
    boxes: NDArray[np.int32]
    """Its box as top, left, height, width, in pixels of the decoded image: int32 (N, 4)."""
    flips: NDArray[np.bool_]
    """Whether it is mirrored left to right after the crop: bool (N)."""
    kinds: NDArray[np.uint8]
    """Its kind: uint8 (N). 0 discarded, 1 context, 2 important, 3 trivial."""
    targets: Targets
    """Its label, adapted and before mixing."""
    partners: NDArray[np.int64]
    """The row that it is mixed with; its own where it is not mixed: int64 (N)."""
    mix: NDArray[np.uint8]
    """How: uint8 (N). 0 not at all, 1 pixel by pixel, 2 by a pasted box."""
    l: NDArray[np.float32]  # noqa: E741, the method's name for it
    """Weight of its own pixels and label: float32 (N), in 0 to 1."""
    paste: NDArray[np.int32]
    """The box that is pasted: top, bottom, left, right, half-open, in pixels at the batch's side: int32 (N, 4)."""
    step: int
    """Number of the step, from 0."""
    first: int
    """Place of the first region among the step's."""
    total: int
    """Regions of the step."""
