from clients.evaluation.slices import slices
from clients.evaluation.split import leave_one_out
from tests.clients.recommenders.small_data import histories


def test_users_fall_into_slices_by_history_and_by_how_often_the_target_was_trained_on() -> None:
    everyone = histories(
        [0, 1, 2],  # item 2 is trained on once, in the next row
        [2, 0, 1, 3, 4],  # item 4 is never trained on
        [5, 6, 7, 8, 9, 1, 3, 5, 0, 2],  # a long history whose target is item 2 as well
    )
    split = leave_one_out(everyone)
    found = {name: mask.tolist() for name, mask in slices(split.test, split.training, 10).items()}
    assert found == {
        "history 3-4": [True, False, False],
        "history 5-9": [False, True, False],
        "history 10+": [False, False, True],
        "rare target": [True, False, True],
        "never seen target": [False, True, False],
    }
