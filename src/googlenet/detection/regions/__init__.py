"""Region classifiers: a network of classes that says of every proposed box what is in it, or that nothing is.

Section 8 of the paper ("ensemble of 6 ConvNets when classifying each region"); Girshick et al., CVPR 2014 (R-CNN).
May import `detection`'s boxes, annotations, proposals, `average_precision`, `training`, `inference` and below."""
