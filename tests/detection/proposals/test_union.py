"""The union of sources: exact duplicates go, the first wins."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from googlenet.detection.boxes import as_boxes
from googlenet.detection.proposals.sources import Found
from googlenet.detection.proposals.union import ranked, union

BOXES = st.lists(st.tuples(*[st.integers(0, 2)] * 4), max_size=12)


def found(boxes):
    return Found(as_boxes(boxes), np.arange(len(boxes), 0, -1.0))


@settings(max_examples=100, deadline=None)
@given(st.lists(BOXES, max_size=4))
def test_it_is_what_a_set_would_keep(sources):
    expected = {}
    for number, boxes in enumerate(sources):
        for rank, box in enumerate(boxes):
            expected.setdefault(box, (len(boxes) - rank, number))
    boxes, scores, source = union([found(boxes) for boxes in sources])
    assert [tuple(map(int, box)) for box in boxes] == list(expected)
    assert list(zip(scores.tolist(), source.tolist(), strict=True)) == list(expected.values())
    together = ranked([found(boxes) for boxes in sources])
    assert sorted(map(tuple, together.tolist())) == sorted(map(tuple, boxes.tolist()))


def test_nearly_equal_boxes_stay():
    boxes, _, source = union([found([(0, 0, 1, 1)]), found([(0, 0, 1, np.nextafter(1, 2)), (-0.0, 0, 1, 1)])])
    assert (len(boxes), source.tolist()) == (2, [0, 1])


def test_a_beginning_has_the_shares_of_the_sources():
    many, few = [(n, 0, n + 1, 1) for n in range(8)], [(n, 5, n + 1, 6) for n in range(2)]
    together = ranked([found(many), found(few)])
    assert together[:, 1].tolist() == [0, 0, 0, 0, 5, 0, 0, 0, 0, 5]  # 4 of 8 before 1 of 2, since ties go to the first
    assert ranked([found(many)]).tolist() == as_boxes(many).tolist()
    assert ranked([found([]), found(few)]).tolist() == as_boxes(few).tolist()
