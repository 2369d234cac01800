"""Holds the losses of two runs against each other: of the same settings on two devices.

    python3 examples/bench/same_losses.py runs/on-flex runs/on-cuda --within 0.02

Leaves with 1 where one of them is further off, relative to the larger.
"""

import argparse
import json
import math
import pathlib
import sys


def losses(run):
    """The loss of each metric, by step."""
    lines = (pathlib.Path(run) / "metrics.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    return {event["step"]: event["loss"] for event in events if event["event"] == "metric"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs=2)
    parser.add_argument("--within", type=float, default=0.02)
    args = parser.parse_args()
    first, second = map(losses, args.runs)
    if not first or first.keys() != second.keys():
        sys.exit(f"other steps: {sorted(first)} and {sorted(second)}")
    off = {step: abs(a - second[step]) / max(abs(a), abs(second[step]), 1e-9) for step, a in first.items()}
    worst = max(off, key=lambda step: (not math.isfinite(off[step]), off[step]))
    line = f"{len(off)} losses, furthest off at step {worst}: {first[worst]:.5f} and {second[worst]:.5f} ({off[worst]:.2%})"
    print(line)
    if not off[worst] <= args.within:
        sys.exit(f"further off than {args.within:.2%}")


if __name__ == "__main__":
    main()
