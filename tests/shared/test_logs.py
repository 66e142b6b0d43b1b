"""Logs can be read by people and by machines, and hold the same facts."""

from __future__ import annotations

import json
import logging

import pytest

from shared.logs import JsonLines, PlainLines, facts, set_up_logs


def _record(**values: object) -> logging.LogRecord:
    logger = logging.getLogger("isthmus.test")
    return logger.makeRecord(
        logger.name, logging.INFO, "f", 1, "stage %s", ("ended",), None, extra=facts(**values)
    )


def test_a_line_for_machines_is_one_object_with_the_facts() -> None:
    line = json.loads(JsonLines().format(_record(round=3, codes=["FED-210"])))
    assert line["message"] == "stage ended"
    assert (line["level"], line["logger"]) == ("info", "isthmus.test")
    assert (line["round"], line["codes"]) == (3, ["FED-210"])


def test_a_line_for_people_ends_with_the_facts() -> None:
    assert PlainLines().format(_record(round=3)).endswith("isthmus.test stage ended round=3")


def test_an_exception_stays_inside_its_line() -> None:
    try:
        raise KeyError("x\ny")
    except KeyError as error:
        record = _record()
        record.exc_info = (type(error), error, error.__traceback__)
    text = JsonLines().format(record)
    assert "\n" not in text
    assert "KeyError" in json.loads(text)["error"]


@pytest.mark.parametrize(("value", "form"), [("json", JsonLines), ("", PlainLines)])
def test_the_environment_chooses(value: str, form: type[logging.Formatter]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        root.handlers = []
        set_up_logs({"ISTHMUS_LOG": value})
        assert [type(handler.formatter) for handler in root.handlers] == [form]
    finally:
        root.handlers, root.level = before
        logging.getLogger("flwr").propagate = True
