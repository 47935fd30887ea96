"""Where objects may lie: proposals of several sources, their union, how much of the annotated objects they cover.

Section 8 of the paper: Selective Search with larger superpixels and 200 boxes of MultiBox beside it.
May import `detection`'s boxes, annotations, datasets, `selective_search`, `multibox`, and below."""
