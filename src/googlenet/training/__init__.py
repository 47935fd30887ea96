"""Training: the method of section 6, on one machine or many, that goes on where it was interrupted.

Section 6 of the paper (SGD with momentum, 4 % every 8 epochs, Polyak averaging) and section 5 (auxiliary losses).
May import `evaluation`, `prediction`, `data`, `images`, `network`, `reporting` and what stands below them.
"""
