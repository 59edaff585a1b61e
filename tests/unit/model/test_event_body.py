from __future__ import annotations

import msgspec
import pytest

from procactors.model.event_body import decode_body


def test_an_event_of_a_later_version_is_passed_over():
    assert decode_body(b'{"type":"StepDreamt","at":"2026-01-01T00:00:00Z"}', "p", 1, 1) is None


def test_an_event_that_is_torn_is_not():
    with pytest.raises(msgspec.ValidationError):
        decode_body(b'{"type":"StepFinished","step":7}', "p", 1, 1)
