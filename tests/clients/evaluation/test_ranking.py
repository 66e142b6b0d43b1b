import numpy as np
import pytest

from clients.data.dataset import Histories
from clients.evaluation import ranking
from clients.evaluation.ranking import Float32s, evaluate, top_items
from tests.clients.recommenders.small_data import histories


class Fixed:
    """The same score row for everybody."""

    def __init__(self, *row: float) -> None:
        self.row = np.array(row, dtype=np.float32)

    def scores(self, histories: Histories) -> Float32s:
        return np.broadcast_to(self.row, (len(histories), len(self.row)))


class Personal:
    """Scores that depend on the history's last item, so that batches cannot be mixed up."""

    def scores(self, histories: Histories) -> Float32s:
        last = histories.items[histories.offsets[1:] - 1].astype(np.float32)
        return np.sin(last[:, None] * np.arange(1, 51, dtype=np.float32))


def rank(scorer: Fixed, context: list[int], target: int) -> int:
    result = evaluate(scorer, histories(context), np.array([target], dtype=np.int32))
    return int(result.ranks[0])


def test_rank_is_one_plus_the_number_of_better_items() -> None:
    assert rank(Fixed(0.1, 0.9, 0.5, 0.4), [], 2) == 2


def test_ties_count_against_the_model() -> None:
    assert rank(Fixed(0, 0, 0, 0, 0), [], 2) == 5


def test_items_of_the_history_are_no_competitors() -> None:
    assert rank(Fixed(0.1, 0.9, 0.5, 0.5), [1, 3], 2) == 1


def test_a_target_in_its_own_history_gets_the_worst_rank() -> None:
    assert rank(Fixed(0.1, 0.9, 0.5), [1], 1) == 3


@pytest.mark.parametrize("row", [(np.nan,) * 4, (0.0, np.nan, np.nan, 0.0)])
def test_scores_that_are_no_numbers_never_help(row: tuple[float, ...]) -> None:
    assert rank(Fixed(*row), [], 0) == 4


def test_best_items_come_first_without_the_history_and_short_lists_are_filled() -> None:
    result = evaluate(
        Fixed(0.1, 0.9, 0.5), histories([0], [1, 2]), np.array([1, 0], dtype=np.int32)
    )
    assert result.top[:, :3].tolist() == [[1, 2, -1], [0, -1, -1]]
    assert result.top.shape == (2, 20)


def test_equal_scores_are_listed_in_catalogue_order() -> None:
    scores = np.array([[0.0, 1.0, 1.0, 0.5]], dtype=np.float32)
    assert top_items(scores, 3).tolist() == [[1, 2, 3]]


def test_batches_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    contexts = histories(*[rng.integers(0, 50, size=4).tolist() for _ in range(90)])
    targets = rng.integers(0, 50, size=90).astype(np.int32)
    whole = evaluate(Personal(), contexts, targets)
    monkeypatch.setattr(ranking, "BATCH_BYTES", 4 * 50 * 7)
    parts = evaluate(Personal(), contexts, targets)
    assert np.array_equal(whole.ranks, parts.ranks)
    assert np.array_equal(whole.top, parts.top)


def test_a_scorer_keeps_its_own_array() -> None:
    scorer = Fixed(0.1, 0.9, 0.5)
    rank(scorer, [1], 2)
    assert scorer.row.tolist() == np.array([0.1, 0.9, 0.5], dtype=np.float32).tolist()


def test_no_users_no_ranks() -> None:
    result = evaluate(Fixed(0.0), histories(), np.array([], dtype=np.int32))
    assert result.ranks.shape == (0,)
