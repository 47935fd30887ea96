"""ILSVRC 2012 as the paper and Caffe's reproduction of it trained: for an accelerator, not tried here in full.

    python recipes/imagenet.py ilsvrc/train ilsvrc/validation [FOLDER]

Hardware  an accelerator; 60 epochs are 0.73 EFLOP, 7 hours at 30 TFLOP/s, if 3,200 images/s are fed
Time      hours to days
Expected  BVLC's own run of this schedule reached 68.7 % top-1, 88.9 % top-5 (centre crop), without the sampling of
          section 6; this recipe adds that
"""

import sys

import googlenet

RECIPE = googlenet.Recipe(epochs=60, schedule="bvlc", rate=0.01, batch_size=32, averaging="exponential")

if __name__ == "__main__":
    data, validation, *rest = sys.argv[1:]
    folder = rest[0] if rest else "runs/imagenet"
    print(googlenet.train(data, RECIPE, validation=validation, output=folder).summary)
