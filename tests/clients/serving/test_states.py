"""States: advanced by single events they are what a computation from the whole history gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.data.dataset import Histories
from clients.recommenders.behaviour import BehaviourScorer
from clients.serving.engine import joined
from clients.serving.states import ServedBehaviour, UserStates
from clients.serving.users import NewEvent, Users
from clients.training.personalise import PersonalModel
from shared.models.behaviour_parameters import initial_parameters
from shared.models.item_matrix import ItemMatrix
from tests.clients.training.worlds import CONFIG, histories_of, item_vectors_of

EVENTS = st.lists(
    st.tuples(st.integers(0, 29), st.integers(0, 11), st.floats(1, 1e6)), min_size=1, max_size=30
)


def model() -> PersonalModel:
    return PersonalModel(
        config=CONFIG,
        parameters=initial_parameters(CONFIG, 1),
        items=ItemMatrix(vectors=item_vectors_of(), bias=torch.linspace(0, 1, 30)),
        validation=(),
        steps=0,
        popularity_scale=0.0,
    )


def walked(rows: list[tuple[int, int, float]], *, ordinal: bool) -> Users:
    users, now = Users(histories_of([0], times=[[0.0]], ordinal=ordinal)), 0.0
    for item, event, gap in rows:
        now += gap
        users.append("new", NewEvent(item, event, now))
    return users


@settings(max_examples=60, deadline=None)
@given(rows=EVENTS, ordinal=st.booleans())
def test_advancing_equals_recomputing(rows: list[tuple[int, int, float]], ordinal: bool) -> None:
    states, users, now = UserStates(model(), 10), Users(histories_of([0], ordinal=ordinal)), 0.0
    for number, (item, event, gap) in enumerate(rows):
        now += gap
        assert users.append("new", NewEvent(item, event, now))
        if number == 0:
            states.queries(users.history("new"))
        else:
            states.advance(users.history("new"))
        anew = UserStates(model(), 10).queries(users.history("new"))
        torch.testing.assert_close(states.queries(users.history("new")), anew, rtol=1e-5, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 29), st.integers(0, 11), st.floats(1, 1e6)),
        min_size=1,
        max_size=CONFIG.history_length,
    )
)
def test_histories_as_long_as_the_model_was_trained_on_score_as_in_evaluation(
    rows: list[tuple[int, int, float]],
) -> None:
    history = walked(rows, ordinal=False).history("new")
    personal = model()
    served = ServedBehaviour(personal, UserStates(personal, 10)).scores(history)
    judged = BehaviourScorer(personal.config, personal.parameters, personal.items).scores(history)
    np.testing.assert_allclose(served, judged, rtol=1e-4, atol=1e-4)


def test_the_window_holds_between_one_and_two_lengths() -> None:
    states, length = UserStates(model(), 10), CONFIG.history_length
    for count in range(length, 10 * length):
        assert length <= count - states.start(count) < 2 * length


def test_no_more_states_are_kept_than_allowed() -> None:
    states = UserStates(model(), 2)
    histories = histories_of([1, 2], [3], [4, 5])
    queries = [states.queries(histories.take([row])) for row in range(3)]
    assert len(states) == 2
    again = states.queries(histories.take([0]))
    torch.testing.assert_close(queries[0], again)


def test_a_late_event_takes_its_place_and_one_told_twice_changes_nothing() -> None:
    users = Users(histories_of([1, 2], times=[[10.0, 30.0]], ordinal=False))
    assert not users.append("u0", NewEvent(5, 0, 20.0))
    assert not users.append("u0", NewEvent(5, 0, 20.0))
    assert users.append("u0", NewEvent(6, 0, 40.0))
    assert users.history("u0").items.tolist() == [1, 5, 2, 6]


def test_forgotten_users_have_no_history() -> None:
    users = Users(histories_of([1, 2]))
    users.append("u0", NewEvent(3, 0, 9.0))
    users.forget("u0")
    assert len(users.history("u0").items) == 0
    assert users.names() == ()


def test_evidence_and_scores_speak_of_the_same_items() -> None:
    personal, history = model(), histories_of([1, 2, 3])
    part = ServedBehaviour(personal, UserStates(personal, 5))
    targets = np.array([4, 5])
    evidence = part.evidence(history, targets)
    whole = evidence.events.sum(axis=1) + evidence.rest
    assert whole == pytest.approx(part.scores(history)[0, targets], abs=1e-3)


def test_histories_joined_are_the_histories() -> None:
    histories = histories_of(*[[n, n + 1] for n in range(3)])
    again: Histories = joined([histories.take([row]) for row in range(3)])
    assert again.users == histories.users
    assert again.items.tolist() == histories.items.tolist()
