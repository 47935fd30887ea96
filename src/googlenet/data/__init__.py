"""Data: labelled images from folders, lists, tar shards and the embedded digits, and batches of them in training order.

Section 6 of the paper (sampling of training images; the random order of images). May import `images`,
`weights.classes`, `network.specification`, `randomness`, `files`, `errors`; torch only where batches become tensors.
"""
