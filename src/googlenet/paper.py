"""The figures that the paper prints, as data, so that they can stand beside ours.

Szegedy et al., "Going deeper with convolutions", arXiv 1409.4842: Tables 1 to 5.
"""

from dataclasses import dataclass

__all__ = ["TABLE_1", "TABLE_2", "TABLE_3", "TABLE_4", "TABLE_5", "Table1Row"]


@dataclass(frozen=True)
class Table1Row:
    """A row of Table 1: output [channels, height, width], depth, parameters and multiply-adds as printed.

    The parameters are printed in K, which is 1024 (112K and 1000K are exact only so); operations in millions.
    """

    type: str
    output: tuple[int, int, int]
    depth: int
    kilo_parameters: float | None = None
    mega_multiply_adds: float | None = None

    @property
    def parameters(self) -> int | None:
        """The printed parameters as a count, K taken as 1024."""
        return None if self.kilo_parameters is None else round(self.kilo_parameters * 1024)

    @property
    def multiply_adds(self) -> int | None:
        """The printed operations as a count."""
        return None if self.mega_multiply_adds is None else round(self.mega_multiply_adds * 10**6)


TABLE_1: dict[str, Table1Row] = {
    "conv1": Table1Row("convolution", (64, 112, 112), 1, 2.7, 34),
    "pool1": Table1Row("max pool", (64, 56, 56), 0),
    "conv2": Table1Row("convolution", (192, 56, 56), 2, 112, 360),
    "pool2": Table1Row("max pool", (192, 28, 28), 0),
    "inception_3a": Table1Row("inception", (256, 28, 28), 2, 159, 128),
    "inception_3b": Table1Row("inception", (480, 28, 28), 2, 380, 304),
    "pool3": Table1Row("max pool", (480, 14, 14), 0),
    "inception_4a": Table1Row("inception", (512, 14, 14), 2, 364, 73),
    "inception_4b": Table1Row("inception", (512, 14, 14), 2, 437, 88),
    "inception_4c": Table1Row("inception", (512, 14, 14), 2, 463, 100),
    "inception_4d": Table1Row("inception", (528, 14, 14), 2, 580, 119),
    "inception_4e": Table1Row("inception", (832, 14, 14), 2, 840, 170),
    "pool4": Table1Row("max pool", (832, 7, 7), 0),
    "inception_5a": Table1Row("inception", (832, 7, 7), 2, 1072, 54),
    "inception_5b": Table1Row("inception", (1024, 7, 7), 2, 1388, 71),
    "pool5": Table1Row("avg pool", (1024, 1, 1), 0),
    "dropout": Table1Row("dropout (40%)", (1024, 1, 1), 0),
    "classifier": Table1Row("linear", (1000, 1, 1), 1, 1000, 1),
    "softmax": Table1Row("softmax", (1000, 1, 1), 0),
}
"""Table 1 by the names of our rows."""

TABLE_2 = (
    ("SuperVision", 2012, "1st", 16.4, False),
    ("SuperVision", 2012, "1st", 15.3, True),
    ("Clarifai", 2013, "1st", 11.7, False),
    ("Clarifai", 2013, "1st", 11.2, True),
    ("MSRA", 2014, "3rd", 7.35, False),
    ("VGG", 2014, "2nd", 7.32, False),
    ("GoogLeNet", 2014, "1st", 6.67, False),
)
"""Table 2, classification: team, year, place, top-5 error in %, whether outside data was used."""

TABLE_3 = ((1, 1, 10.07), (1, 10, 9.15), (1, 144, 7.89), (7, 1, 8.09), (7, 10, 7.62), (7, 144, 6.67))
"""Table 3: models, crops, top-5 error in %. The last row's printed gain, 3.45, does not subtract: it is 3.40."""

TABLE_4 = (
    ("UvA-Euvision", 2013, "1st", 22.6, "none", None),
    ("Deep Insight", 2014, "3rd", 40.5, "ImageNet 1k", 3),
    ("CUHK DeepID-Net", 2014, "2nd", 40.7, "ImageNet 1k", None),
    ("GoogLeNet", 2014, "1st", 43.9, "ImageNet 1k", 6),
)
"""Table 4, detection: team, year, place, mean average precision in %, outside data, models in the ensemble if said."""

PROPOSALS = {"share": 0.6, "coverage_before": 0.92, "coverage": 0.93}
"""Section 8: larger superpixels and 200 boxes of MultiBox, as a share of R-CNN's boxes, and what both cover."""

TABLE_5 = (
    ("Trimps-Soushen", 31.6, False, False),
    ("Berkeley Vision", 34.5, False, True),
    ("UvA-Euvision", 35.4, False, False),
    ("CUHK DeepID-Net2", 37.7, False, False),
    ("GoogLeNet", 38.02, False, False),
    ("Deep Insight", 40.2, True, True),
)
"""Table 5, detection by single models: team, mean average precision in %, contextual model, bounding box regression."""
