from __future__ import annotations

import pytest

from magictel.errors import UsageError
from magictel.sandbox.faults import Fault, Faults, parse_faults


@pytest.mark.parametrize(
    ("script", "steps"),
    [
        ("429", [Fault("status", status=429)]),
        ("429 x3 retry-after=1", [Fault("status", 3, status=429, retry_after="1")]),
        ("429 retry-after=1.5 x3", [Fault("status", 3, status=429, retry_after="1.5")]),
        ("503 retry-after=date:5", [Fault("status", status=503, retry_after="date:5")]),
        (
            "503 retry-after='Wed, 25 Nov 2026 02:00:00 GMT'",
            [Fault("status", status=503, retry_after="Wed, 25 Nov 2026 02:00:00 GMT")],
        ),
        ("400 body='a, then b' x2", [Fault("status", 2, status=400, body=b"a, then b")]),
        ("reset, then reset-after, then close", [Fault("reset"), Fault("reset-after"), Fault("close")]),
        ("slow 2.5 x2, then hang forever", [Fault("slow", 2, seconds=2.5), Fault("hang", None)]),
        ("slow 2s", [Fault("slow", seconds=2.0)]),
        ("partial 10%", [Fault("partial", share=0.1)]),
        (
            "partial 12.5% es_rejected_execution_exception x2",
            [Fault("partial", 2, share=0.125, item_error="es_rejected_execution_exception")],
        ),
        ("too-large, then wrong-json, then truncated, then ok x2", [
            Fault("too-large"), Fault("wrong-json"), Fault("truncated"), Fault("ok", 2)]),
        ("OK X2 , THEN 500", [Fault("ok", 2), Fault("status", status=500)]),
        ("429,then 400 body=a,b,then ok", [Fault("status", status=429), Fault("status", status=400, body=b"a,b"), Fault("ok")]),
    ],
)  # fmt: skip
def test_a_script_is_read(script: str, steps: list[Fault]) -> None:
    assert list(parse_faults(script).steps) == steps


def test_a_script_may_name_its_emulator() -> None:
    script = parse_faults("elasticsearch: 429 x3 retry-after=1, then reset, then partial 10%")
    assert script.emulator == "elasticsearch"
    assert [step.kind for step in script.steps] == ["status", "reset", "partial"]


@pytest.mark.parametrize(
    ("script", "word"),
    [
        ("", "''"),
        ("elasticsearch:", "''"),
        ("42", "'42'"),
        ("nonsense", "'nonsense'"),
        ("429 x0", "'x0'"),
        ("429 retry-after=soon", "'retry-after=soon'"),
        ("429 hard", "'hard'"),
        ("reset 5", "'5'"),
        ("slow", "'slow'"),
        ("slow down", "'down'"),
        ("partial", "'partial'"),
        ("partial 0%", "'0%'"),
        ("partial 101%", "'101%'"),
        ("partial 10", "'10'"),
        ("partial 10% a b", "'b'"),
        ("ok, then", "'ok'"),
        ("ok, then , then ok", "''"),
        ("429 body='open", '"\'"'),
    ],
)
def test_a_wrong_script_names_the_word_and_the_grammar(script: str, word: str) -> None:
    if script == "ok, then":
        script, word = "ok, then x3", "'x3'"
    with pytest.raises(UsageError) as caught:
        parse_faults(script)
    assert word in caught.value.message
    assert caught.value.code == "sandbox.fault-script"
    assert caught.value.remedy is not None
    assert "retry-after" in caught.value.remedy


def test_steps_strike_writes_in_their_order_and_then_nothing() -> None:
    faults = parse_faults("429 x2, then ok, then reset")
    struck = [faults.strike(is_write=True) for _ in range(5)]
    assert [fault and fault.kind for fault in struck] == ["status", "status", None, "reset", None]
    assert faults.fired == {"429": 2, "ok": 1, "reset": 1}
    assert faults.exhausted


def test_what_is_no_write_passes_and_does_not_count() -> None:
    faults = parse_faults("429")
    assert faults.strike(is_write=False) is None
    assert not faults.fired
    assert Faults([Fault("reset", scope="any")]).strike(is_write=False) is not None


def test_forever_never_ends() -> None:
    faults = parse_faults("503 forever, then reset")
    assert {faults.strike(is_write=True) for _ in range(50)} == {Fault("status", None, status=503)}
    assert not faults.exhausted


def test_a_step_strikes_writes_unless_it_says_otherwise() -> None:
    script = parse_faults("es: probe 401 x2, then any reset, then 429")
    assert [step.scope for step in script.steps] == ["probe", "any", "write"]
    assert script.strike(is_write=True) is None
    assert [script.strike(is_write=False) for _ in range(2)] == [script.steps[0]] * 2
    assert script.strike(is_write=True) == script.steps[1]
    assert script.strike(is_write=False) is None
    assert script.strike(is_write=True) == script.steps[2]
    assert script.exhausted


def test_an_expired_certificate_stands_first() -> None:
    assert parse_faults("es: expired-certificate").expired
    both = parse_faults("es: Expired-Certificate, then any 401 forever")
    assert both.expired
    assert len(both.steps) == 1
    assert not parse_faults("es: 429").expired


@pytest.mark.parametrize(
    "wrong", ["es: 429, then expired-certificate", "es: probe partial 10%", "es: probe", "es: any any 401"]
)
def test_a_scope_without_a_fault_is_wrong(wrong: str) -> None:
    with pytest.raises(UsageError):
        parse_faults(wrong)
