"""Patience, by hand."""

from googlenet.training.early_stopping import EarlyStopping


def test_it_stops_after_so_many_evaluations_without_a_better_one():
    stopping = EarlyStopping(2)
    assert [stopping.take(top1) for top1 in (0.3, 0.5, 0.5)] == [True, True, False]  # as good is not better
    assert not stopping.wanted
    assert not stopping.take(0.4)
    assert stopping.wanted
    assert stopping.best == 0.5


def test_a_better_one_begins_anew_and_without_patience_there_is_no_end():
    stopping, endless = EarlyStopping(2), EarlyStopping(0)
    for top1 in (0.3, 0.2, 0.4, 0.1):
        stopping.take(top1)
        endless.take(0.3)
    assert (stopping.since, stopping.wanted) == (1, False)
    assert (endless.since, endless.wanted) == (3, False)


def test_it_goes_on_where_it_was():
    stopping, later = EarlyStopping(2), EarlyStopping(2)
    for top1 in (0.3, 0.2):
        stopping.take(top1)
    later.restore(stopping.counters())
    later.take(0.3)
    assert later.wanted
