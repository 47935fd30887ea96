"""Photographs in class folders, from public weights: all that it needs is the weights.

    googlenet download bvlc
    python recipes/fine_tune.py flowers/train flowers/validation bvlc.safetensors [FOLDER]

Hardware  2 CPU cores with bfloat16 instructions (float32 takes about twice as long)
Time      2 to 3 minutes for 500 photographs of 5 kinds of flowers
Expected  see docs/results.md
"""

import sys

import googlenet

RECIPE = googlenet.Recipe()
"""The values of the fine-tune preset, since the weights' classes are others."""

if __name__ == "__main__":
    data, validation, weights, *rest = sys.argv[1:]
    folder = rest[0] if rest else "runs/fine-tune"
    print(googlenet.train(data, RECIPE, validation=validation, pretrained=weights, output=folder).summary)
