"""The embedded digits against scikit-learn's own arrays."""

import numpy as np
from sklearn.datasets import load_digits

from googlenet.data.digits import Digits
from googlenet.images.decoding import decode


def test_images_and_labels_are_scikit_learns():
    digits, theirs = Digits(), load_digits()
    assert len(digits) == 1797
    assert digits.labels.tolist() == theirs.target.tolist()
    assert [c.id for c in digits.classes] == list("0123456789")
    for index in (0, 5, 1796):
        image = decode(digits.read(index), digits.name(index))
        assert image.shape == (8, 8, 3)
        assert np.abs(image[..., 1] / 255 * 16 - theirs.images[index]).max() < 0.04
        assert np.array_equal(image[..., 0], image[..., 2])


def test_the_split_is_stratified_complete_and_always_the_same():
    train, validation, everything = Digits("train"), Digits("validation"), Digits()
    names = [{part.name(i) for i in range(len(part))} for part in (train, validation, everything)]
    assert not names[0] & names[1]
    assert names[0] | names[1] == names[2]
    for digit in range(10):
        share = (validation.labels == digit).sum() / (everything.labels == digit).sum()
        assert abs(share - 0.2) < 0.005
    again = Digits("validation")
    assert [again.name(i) for i in range(5)] == [validation.name(i) for i in range(5)]
    assert validation.read(3) == again.read(3)
