"""The fields' vocabularies."""

import pytest

from shared.config import parse
from shared.contract import EVENT_TYPES
from shared.errors import InvalidValueError
from simulations.datasets.vocabulary import FIELDS, Field, Vocabulary, vocabulary


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_has_topics_events_and_templates_that_can_be_filled(field: Field) -> None:
    words = vocabulary(field)
    assert set(words.events) <= set(EVENT_TYPES)
    assert len(words.cells()) == len(words.topics) * words.parts_per_topic >= 40
    names = dict.fromkeys(("brand", "adjective", "noun", "variant", "use", "part"), "x")
    assert all(text.format_map(names) for text in words.titles + words.descriptions)
    nouns = [noun for t in words.topics.values() for part in t.parts.values() for noun in part]
    assert len(nouns) == len(set(nouns))
    assert words.event_steps()[:, -1] == pytest.approx(1.0)


@pytest.mark.parametrize(
    "change", [{"closing": "sneeze"}, {"start": [1.0]}, {"transitions": {}}, {"events": ["sneeze"]}]
)
def test_an_inconsistent_vocabulary_is_refused(change: dict[str, object]) -> None:
    values = vocabulary("ecommerce").model_dump() | change
    with pytest.raises(InvalidValueError):
        parse(Vocabulary, values, where="test")
