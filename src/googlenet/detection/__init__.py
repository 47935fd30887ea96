"""Objects and where they lie: Selective Search, MultiBox, region classifiers, average precision.

Section 8 of the paper, Tables 4 and 5.
May import `training`, `evaluation`, `prediction`, `inference`, `data`, `images`, `weights`, `network` and below."""
