"""What needs a library that is not there says which extra brings it."""

from __future__ import annotations

import importlib
import sys

import pytest

from procactors.web import allow_all, process_app, process_router


@pytest.fixture
def without(monkeypatch):
    """Let a library be missing, and a module be imported anew."""

    def without(library, module):
        monkeypatch.setitem(sys.modules, library, None)
        monkeypatch.delitem(sys.modules, module, raising=False)

    return without


@pytest.mark.parametrize(
    ("module", "library", "extra"),
    [
        ("procactors.cron", "cronsim", "cron"),
        ("procactors.deferred.sqlalchemy", "sqlalchemy", "sqlalchemy"),
        ("procactors.otel", "opentelemetry", "otel"),
    ],
)
def test_a_module_names_its_extra(without, module, library, extra):
    without(library, module)
    for name in [name for name in sys.modules if name.startswith(f"{module}.")]:
        without(library, name)
    with pytest.raises(ImportError, match=rf"{module} needs .*procactors\[{extra}\]"):
        importlib.import_module(module)


@pytest.mark.parametrize(
    ("face", "library", "module", "hint"),
    [
        (process_app, "starlette.applications", "procactors.web._routes", r"procactors\[web\]"),
        (process_router, "fastapi", "procactors.web._router", r"procactors\[web\]\" fastapi"),
    ],
)
def test_the_web_face_names_its_extra(without, face, library, module, hint):
    without(library, module)
    with pytest.raises(ImportError, match=rf"{face.__name__} needs .*{hint}"):
        face(None, authorize=allow_all)
