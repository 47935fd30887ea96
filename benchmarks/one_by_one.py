"""How long a picture takes a detector in a warm process, from its file to its objects, one picture after the other.

    python benchmarks/one_by_one.py DETECTOR DATA [--split NAME] [--count 10] [--fast] [--precision float32]

The first two pictures warm up and do not count.
"""

import argparse
import statistics
import sys
import time

import googlenet
from googlenet.detection.datasets.opening import open_annotated
from googlenet.machine import processor

WARM_UP = 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("detector")
    parser.add_argument("data")
    parser.add_argument("--split")
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--precision", default="float32")
    arguments = parser.parse_args()
    images = open_annotated(arguments.data, arguments.split)
    files = [images.name(index) for index in range(min(len(images), WARM_UP + arguments.count))]
    detector = googlenet.load_detector(arguments.detector, fast=arguments.fast, precision=arguments.precision)
    seconds = []
    for file in files:
        begun = time.perf_counter()
        list(detector.detect(file))
        seconds.append(time.perf_counter() - begun)
    counted = seconds[WARM_UP:]
    print(processor())
    print(
        f"{len(counted)} pictures, seconds each: median {statistics.median(counted):.2f},"
        f" {min(counted):.2f} to {max(counted):.2f}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
