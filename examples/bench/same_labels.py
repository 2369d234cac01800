"""Holds two label stores of the same images and regions against each other: of the same teacher on two devices.

    python3 examples/bench/same_labels.py labels-flex labels-cuda --within 0.002

Compares the probability that each region's stored classes begin with, and the classes themselves. Leaves with 1 where
a first probability is further off, or where more than one first class in a hundred is another one.
"""

import argparse
import pathlib
import sys

import numpy as np


def first(store):
    """First class and first probability of every region of a store of more than K classes."""
    shards = sorted(pathlib.Path(store).glob("labels-*.npy"))
    records = np.concatenate([np.load(shard) for shard in shards])
    if "p1" in records.dtype.names:  # a store of format 1
        return records["class"][..., 0], records["p1"] / 65535.0
    return records["class"][..., 0], 1.0 - (records["q1"] / 65535.0) ** 2


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", nargs=2)
    parser.add_argument("--within", type=float, default=0.002)
    args = parser.parse_args()
    (class_a, p_a), (class_b, p_b) = map(first, args.stores)
    if p_a.shape != p_b.shape:
        sys.exit(f"other regions: {p_a.shape} and {p_b.shape}")
    off = float(np.abs(p_a - p_b).max())
    others = float((class_a != class_b).mean())
    print(f"{p_a.size} regions, a first probability is off by {off:.5f} at most, {others:.2%} have another first class")
    if not (off <= args.within and others <= 0.01):
        sys.exit(f"further off than {args.within}")


if __name__ == "__main__":
    main()
