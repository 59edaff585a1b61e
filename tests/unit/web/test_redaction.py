"""What is left out of processes and events, and what is not."""

from __future__ import annotations

from procactors.web._redaction import Redaction

SECRET = {"Password": 1, "deep": [{"password": [2]}], "kept": 3}
SHOWN = {"Password": "[redacted]", "deep": [{"password": "[redacted]"}], "kept": 3}


def test_payloads_are_redacted_at_any_depth():
    redaction = Redaction(["PASSWORD"])
    document = {"pid": "1", "data": SECRET, "output": [SECRET], "interrupt": {"step": "a", "data": SECRET}}
    assert redaction.document(document) == {
        "pid": "1",
        "data": SHOWN,
        "output": [SHOWN],
        "interrupt": {"step": "a", "data": SHOWN},
    }


def test_what_is_no_payload_keeps_its_name():
    document = {"name": "kept", "key": "kept", "data": {"name": "gone"}}
    assert Redaction(["name", "key"]).document(document) == {**document, "data": {"name": "[redacted]"}}


def test_arguments_of_steps_are_redacted_and_steps_are_not():
    step = {"call": "m:f", "kwargs": SECRET, "args": [SECRET]}
    document = {"definition": {"name": "p", "steps": {"password": step}}}
    found = Redaction(["password"]).document(document)["definition"]["steps"]["password"]
    assert found == {"call": "m:f", "kwargs": SHOWN, "args": [SHOWN]}
