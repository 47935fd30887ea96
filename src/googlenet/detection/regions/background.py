"""The class of what shows no object."""

from googlenet.weights.classes import Class

__all__ = ["BACKGROUND"]

BACKGROUND = Class("__background__", "background")
"""The last class of a region classifier, so that the others keep the places that they have in the data."""
