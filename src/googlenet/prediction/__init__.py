"""Using a trained network: load it, classify pictures, take features; typed, immutable results.

Section 5 of the paper, at inference: one centre crop a picture, no auxiliary classifiers.
May import `inference` and all that lies below it."""
