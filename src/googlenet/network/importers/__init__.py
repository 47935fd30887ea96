"""Public weights in the formats of other frameworks: Caffe's, Google's and torchvision's GoogLeNets.

Sections 4 and 5 of the paper, as others trained them.
May import `network`, `files` and `errors`."""
