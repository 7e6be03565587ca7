"""Instrumentations look away inside, and see again afterwards, whatever happened."""

from __future__ import annotations

import contextlib

import pytest
from opentelemetry import context
from opentelemetry.instrumentation.utils import is_http_instrumentation_enabled, is_instrumentation_enabled

from magictel.transports.instrumentation import uninstrumented


@pytest.mark.parametrize("failure", [None, ValueError])
def test_inside_it_instrumentations_look_away_and_afterwards_they_see_again(failure: type[Exception] | None) -> None:
    with contextlib.suppress(ValueError), uninstrumented():
        assert not is_instrumentation_enabled()
        assert not is_http_instrumentation_enabled()
        assert context.get_value("suppress_instrumentation")
        if failure:
            raise failure
    assert is_instrumentation_enabled()
    assert is_http_instrumentation_enabled()


def test_one_inside_another_changes_nothing() -> None:
    with uninstrumented():
        outer = context.get_current()
        with uninstrumented():
            assert context.get_current() is outer
        assert context.get_current() is outer
        assert not is_instrumentation_enabled()


def test_what_else_the_context_holds_stays_there() -> None:
    token = context.attach(context.set_value("tenant", "a"))
    try:
        with uninstrumented():
            assert context.get_value("tenant") == "a"
    finally:
        context.detach(token)
