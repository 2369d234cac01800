"""What a training step asks of CUDA, read from a fake driver's journal: launches by kernel, and bytes across the bus.

    python3 examples/cuda/launches.py JOURNAL [--steps 10]

A step begins where the pictures are uploaded: the largest upload that comes again and again. They are sent ahead, so that
this is not where the step before ends; the last steps are averaged.
"""

import argparse
import re
import sys
from collections import Counter
from pathlib import Path


def upload(line: list[str]) -> int:
    """The bytes that a line uploads."""
    if line[1] == "copy2d":
        return int(line[2]) * int(line[3])
    return int(line[2]) if line[1] == "h2d" else 0


def uploads(lines: list[list[str]]) -> list[int]:
    """Where the steps begin. Weights are uploaded before them, so only the journal's second half tells the size."""
    sizes = Counter(upload(line) for line in lines[len(lines) // 2 :])
    again = [size for size, times in sizes.items() if size and times > 2]
    if not again:
        sys.exit("no upload comes more than twice: let it take more steps")
    pictures = max(again)
    return [place for place, line in enumerate(lines) if upload(line) == pictures]


def kind(name: str) -> str:
    """A kernel's name without its number, its types and its widths."""
    return re.split(r"_(?:in|lhs|[a-z])_(?:b?f(?:16|32)|[iu](?:8|16|32|64)|bool)_|_[0-9a-f]{8}$", name)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("journal", type=Path)
    parser.add_argument("--steps", type=int, default=10)
    args = parser.parse_args()
    lines = [line.split() for line in args.journal.read_text().splitlines()]
    lines = [line for line in lines if len(line) > 1]
    begins = uploads(lines)
    steps = min(args.steps, len(begins) - 1)
    span = lines[begins[-1 - steps] : begins[-1]]
    kernels = Counter(kind(line[3]) for line in span if line[1] == "launch")
    bytes_up = sum(upload(line) for line in span)
    refused = sum(line[1] == "REFUSED" for line in lines)
    modules = sum(line[1] == "module" for line in lines)
    print(f"{sum(kernels.values()) / steps:.0f} launches a step, {bytes_up / steps / 1e6:.2f} MB up, "
          f"over the last {steps} of {len(begins)} steps")
    memory = max((int(line[3]) for line in lines if line[1] == "alloc"), default=0)
    print(f"{modules} kernels loaded, {refused} launches refused, {memory / 1e9:.2f} GB of the device's memory")
    for name, times in kernels.most_common():
        print(f"{times / steps:7.1f}  {name}")


if __name__ == "__main__":
    main()
