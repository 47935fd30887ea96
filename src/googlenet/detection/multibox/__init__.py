"""MultiBox: a network that says at once where objects are, whatever they are.

Section 8 of the paper ("200 additional region proposals coming from multi-box"); Erhan et al., CVPR 2014.
May import `detection`'s boxes, annotations and datasets, `training`, `inference`, `data`, `images` and below."""
