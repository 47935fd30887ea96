"""Evaluation: how often a network is right, with the interval that the number of images allows.

Section 7 of the paper, Tables 2 and 3.
May import `prediction`, `inference`, `data`, `images`, `weights`, `network`, `reporting` and what stands below them.
"""
