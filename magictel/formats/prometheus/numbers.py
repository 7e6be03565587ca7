"""Numbers and times of a Prometheus page, with the syntax of Go's `strconv`, as in Prometheus."""

from __future__ import annotations

import re
from decimal import ROUND_05UP, Context, Decimal
from math import isfinite

_NUMBER = re.compile(rb"[+-]?+(?:(?:\d++\.?+\d*+|\.\d++)(?:[eE][+-]?+\d++)?+|(?i:inf(?:inity)?+))|(?i:nan)")
_WHOLE = re.compile(rb"\d++")
_DIGITS = Context(prec=800, rounding=ROUND_05UP)
"""More digits than a 64-bit float needs; rounding up from 0 and 5 prevents a truncated number from looking like a tie."""
_LONG, _SHORT = 800, 300
_LATEST = 9_223_372_036_854
"""Milliseconds in the year 2262, the end of 64-bit nanoseconds."""


def number(word: bytes) -> float:
    """Return a sample's value. Raise `ValueError` for underscores, hexadecimal digits, and other invalid floats."""
    if word.isdigit() and len(word) < _SHORT:
        return float(word)
    if not _NUMBER.fullmatch(word):
        raise ValueError
    value = float(word if len(word) < _LONG else _shortened(word))
    if not isfinite(value) and word.lstrip(b"+-")[:1].isdigit():
        raise ValueError
    return value


def milliseconds(word: bytes) -> int:
    """Return the time of a sample in text 0.0.4 as Unix milliseconds. Raises `ValueError`."""
    if not _WHOLE.fullmatch(word):
        raise ValueError
    return _possible(int(word[-20:]) if not word[:-20].strip(b"0") else _LATEST + 1)


def seconds(word: bytes) -> int:
    """Return the time of a sample in OpenMetrics (seconds with a fraction) as Unix milliseconds, truncated like Prometheus."""
    return moment(number(word))


def moment(value: float) -> int:
    """Return seconds as Unix milliseconds. Raise `ValueError` for a time outside of OTLP's range."""
    if not isfinite(value):
        raise ValueError
    return _possible(int(value * 1000))


def open_metrics(value: float) -> str:
    """Return a bound or a quantile as OpenMetrics writes it, and Prometheus 3 stores it: `1.0`, `0.5`, `1e+06`, `+Inf`."""
    if value - value != 0:
        return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    power = len(digits) - 1 + exponent
    figures = "".join(map(str, digits))
    if value and not -4 <= power < 6:
        tail = f".{figures[1:]}" if len(figures) > 1 else ""
        text = f"{figures[0]}{tail}e{'-' if power < 0 else '+'}{abs(power):02}"
    else:
        text = format(abs(Decimal(repr(value))), "f")
    return f"{'-' if sign else ''}{text if '.' in text or 'e' in text else text + '.0'}"


def _possible(milliseconds: int) -> int:
    if not 0 < milliseconds <= _LATEST:
        raise ValueError
    return milliseconds


def _shortened(word: bytes) -> str:
    """Return the number with the significant digits: conversion takes quadratic time for thousands of digits."""
    try:
        return str(_DIGITS.create_decimal(word.decode()))
    except ArithmeticError:
        raise ValueError from None
