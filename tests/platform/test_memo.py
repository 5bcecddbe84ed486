"""Costly answers serve longer, cheap ones hardly at all."""

import pytest

from dothi.platform.memo import LONGEST, MOST, REUSE, Memo


class _Work:
    def __init__(self, cost: float) -> None:
        self.now, self.cost, self.done = 0.0, cost, 0

    def seconds(self) -> float:
        return self.now

    def __call__(self) -> int:
        self.now += self.cost
        self.done += 1
        return self.done


def test_an_answer_serves_in_proportion_to_what_it_cost() -> None:
    work = _Work(cost=1.0)
    memo = Memo(work.seconds)
    assert memo.answer("q", work) == 1
    work.now += REUSE - 0.1
    assert memo.answer("q", work) == 1
    work.now += 0.2
    assert memo.answer("q", work) == 2


def test_no_answer_serves_too_long_and_a_free_one_not_at_all() -> None:
    dear = _Work(cost=1000.0)
    memo = Memo(dear.seconds)
    memo.answer("q", dear)
    dear.now += LONGEST + 0.1
    assert memo.answer("q", dear) == 2
    free = _Work(cost=0.0)
    memo = Memo(free.seconds)
    assert [memo.answer("q", free), memo.answer("q", free)] == [1, 2]


def test_questions_do_not_mix_and_a_failure_is_not_kept() -> None:
    work = _Work(cost=1.0)
    memo = Memo(work.seconds)
    assert memo.answer(("q", 1), work) != memo.answer(("q", 2), work)
    with pytest.raises(ZeroDivisionError):
        memo.answer("r", lambda: 1 // 0)
    assert memo.answer("r", work) == 3


def test_past_questions_are_forgotten() -> None:
    work = _Work(cost=1.0)
    memo = Memo(work.seconds)
    for number in range(3 * MOST):
        memo.answer(("moment", number), work)
        work.now += LONGEST
    assert len(memo._answers) <= MOST + 1
    assert len(memo._locks) <= MOST + 1
