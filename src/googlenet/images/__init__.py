"""Images: finding the files, decoding them safely, and bringing them to the pixels that a network reads.

Sections 6 and 7 of the paper (sampling of training images, crops at test time); what a network expects is its `Pixels`.
May import `network.specification`, `randomness` and `errors`; never `data` or what stands above it.
"""
