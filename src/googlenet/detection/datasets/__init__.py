"""Data sets with annotated objects: VOC, ILSVRC, COCO, YOLO, and ImageNet's boxes; what is wrong with one.

Section 8 of the paper, ILSVRC's detection data.
May import `detection.boxes`, `detection.annotations`, `evaluation.localisation`, `data` and below, no torch."""
