"""What scores and places a region beside the softmax: SVMs, box regression, the context of the picture. All by choice.

Section 8 and Table 5 of the paper, whose own detector had none of it; Girshick et al., CVPR 2014 (R-CNN).
May import `regions`' windows, data set, crops and pipeline, and below."""
