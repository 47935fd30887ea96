"""Each batch is dealt to one replica; what one that is lost has not begun goes to another; leads are bounded."""

import random

from googlenet.distributed.downpour.dealing import Dealer, Lost


def test_each_batch_is_dealt_once_and_what_a_lost_replica_had_not_begun_again() -> None:
    dealer = Dealer(10, 16)
    dealer.join(1)
    dealer.join(2)
    assert [dealer.deal(1) for _ in range(3)] == [10, 11, 12]
    assert [dealer.deal(2) for _ in range(2)] == [13, 14]
    dealer.report(1, pushed=1)
    assert dealer.lose(1) == Lost(begun=1, pushes=1)  # 11 was under way
    assert [dealer.deal(2), dealer.deal(2), dealer.deal(2)] == [12, 15, None]
    assert not dealer.is_over
    for pushed in range(1, 5):
        dealer.report(2, pushed)
    assert dealer.is_over


def test_of_gradients_that_are_sent_together_those_that_were_not_sent_are_one_push() -> None:
    dealer = Dealer(0, 3)
    dealer.join(1)
    for _ in range(3):
        dealer.deal(1)
    for pushed in (0, 2, 2):
        dealer.report(1, pushed)
    assert dealer.is_over
    assert dealer.lose(1) == Lost(begun=0, pushes=1)
    assert dealer.lose(1) == Lost(begun=0, pushes=0)


def test_a_stretch_that_is_cut_ends_without_a_gap() -> None:
    dealer = Dealer(0, 100)
    dealer.join(1)
    dealer.join(2)
    dealt = [dealer.deal(1), dealer.deal(2), dealer.deal(1), dealer.deal(2)]
    dealer.cut()
    assert dealt == [0, 1, 2, 3]
    assert dealer.deal(1) is None
    dealer.lose(2)  # 1 was under way, 3 is dealt again
    assert dealer.deal(1) == 3
    for _ in range(3):
        dealer.report(1, 0)
    assert dealer.is_over


def test_whatever_is_lost_all_batches_are_accounted_for_once() -> None:
    chance = random.Random(1)
    for _ in range(50):
        dealer, alive, done, lost = Dealer(5, 40), {1: 0, 2: 0, 3: 0}, 0, 0
        hands: dict[int, list[int]] = {number: [] for number in alive}
        fresh, seen = 4, []
        for number in alive:
            dealer.join(number)
        while not dealer.is_over:
            number = chance.choice(list(alive))
            what = chance.random()
            if what < 0.5:
                if (one := dealer.deal(number)) is not None:
                    hands[number].append(one)
            elif what < 0.9:
                if hands[number]:
                    seen.append(hands[number].pop(0))
                    alive[number] += 1
                    dealer.report(number, alive[number])
                    done += 1
            else:
                gone = dealer.lose(number)
                lost += gone.begun
                seen += hands[number][: gone.begun]
                del alive[number]
                alive[fresh], hands[fresh] = 0, []
                dealer.join(fresh)
                fresh += 1
        assert sorted(seen) == list(range(5, 40))
        assert done + lost == 35


def test_none_is_further_ahead_of_the_slowest_than_the_bound() -> None:
    dealer = Dealer(0, 100)
    for number in (1, 2):
        dealer.join(number)
        for _ in range(4):
            dealer.deal(number)
    assert [dealer.limit(1, 0), dealer.limit(1, 2)] == [1, 3]  # the first step, or two more
    dealer.report(1, 1)
    assert dealer.limit(1, 0) == 1  # waits for the other
    dealer.report(2, 1)
    assert [dealer.limit(1, 0), dealer.limit(2, 0)] == [2, 2]
    dealer.join(3)  # beside the slowest, with a count of its own
    dealer.deal(3)
    assert dealer.limit(3, 2) == 3
    for pushed in (2, 3, 4):
        dealer.report(2, pushed)  # has nothing to do any more and keeps nobody waiting
    dealer.lose(3)
    assert dealer.limit(1, 1) == 3
    dealer.lose(1)
    dealer.deal(2)
    assert dealer.limit(2, 0) == 5
