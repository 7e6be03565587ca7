"""The fields of a settings model, read from its annotations and used for loading, describing and editing."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from magictel.secrets.secret import MASK, Secret
from magictel.settings.names import either
from magictel.settings.units import bytes_text, seconds_text

_SHARED = "magictel.settings."
_FILE = re.compile(r"(?:^|_)(?:file|path|dir|directory|folder)$")
FieldType = Literal["text", "number", "whole", "switch", "choice", "list", "mapping", "secret", "secrets"]


class _Kind(NamedTuple):
    """How a type of field is called, what its valid values are, and what makes an empty value."""

    name: str
    wanted: str
    nothing: Callable[[], Any]


_TABLE = "a table of texts (in a variable: name=value, separated by commas)"
_KINDS: Mapping[FieldType, _Kind] = {
    "text": _Kind("text", "a text", str),
    "number": _Kind("number", "a number", float),
    "whole": _Kind("integer", "a whole number", int),
    "switch": _Kind("boolean", "true or false", bool),
    "choice": _Kind("choice", "a text", str),
    "list": _Kind("list", "a list of texts (in a variable: separated by commas)", list),
    "mapping": _Kind("table", _TABLE, dict),
    "secret": _Kind("text", "a text", lambda: Secret("")),
    "secrets": _Kind("table", _TABLE, dict),
}
_UNITS = {
    "seconds": ("duration", 'a duration (seconds, or "250ms", "10s", "2m")'),
    "bytes": ("size", 'a size (bytes, or "5MB", "512KiB")'),
}


class Field(msgspec.Struct, frozen=True):
    """An option. `env` are its variables, the first is shown; `type` is the type of its value.

    Types: `secrets` is a mapping of names to secrets; `optional` fields may also be None. `bounds` are (sign, number) pairs.
    `routes`, `file` and `credential` are described at `option`.
    """

    key: str
    kind: FieldType
    type: Any
    sentence: str
    required: bool
    default: Any
    optional: bool
    unit: str | None
    example: Any
    secret: bool
    address: bool
    env: tuple[str, ...]
    deprecated: str | None
    choices: tuple[str, ...]
    bounds: tuple[tuple[str, float], ...]
    routes: bool
    file: bool
    credential: bool
    read: Mapping[str, Callable[[str], Any]] = msgspec.field(default_factory=dict)
    """By variable, the function that converts its text to the option's form."""

    @property
    def nothing(self) -> Any:
        """Return an empty value of the field's type."""
        return None if self.optional else _KINDS[self.kind].nothing()

    @property
    def wanted(self) -> str:
        """Return a description of valid values: `a duration (seconds, or "250ms", "10s", "2m"), more than 0, at most 60 min`."""
        if self.kind == "choice":
            return either(self.choices)
        return ", ".join([_UNITS[self.unit][1] if self.unit in _UNITS else _KINDS[self.kind].wanted, *self.limits])

    @property
    def limits(self) -> tuple[str, ...]:
        """Return the bounds of a number as text: `more than 0`, `at most 60 min`."""
        phrases = {"gt": "more than", "ge": "at least", "le": "at most"}
        return tuple(f"{phrases[sign]} {self.amount(number)}" for sign, number in self.bounds)

    @property
    def type_name(self) -> str:
        """Return the type in one or two words, for tables."""
        if self.kind == "choice":
            return " | ".join(self.choices)
        return _UNITS[self.unit][0] if self.unit in _UNITS else _KINDS[self.kind].name

    @property
    def remedy(self) -> str:
        """Return an example of the syntax, from the example or the default."""
        if self.kind == "choice":
            return f'for example {self.key} = "{self.choices[0]}"'
        usual = self.example if self.example is not None else self.default
        return f"for example {self.key} = {toml_value(self.shown(usual) if self.example is None else usual)}"

    def amount(self, number: float) -> str:
        """Return a number with the field's unit as text."""
        if self.unit == "seconds" and number:
            return seconds_text(number)
        if self.unit == "bytes" and number:
            return bytes_text(int(number))
        return str(int(number)) if number == int(number) else f"{number:g}"

    def shown(self, value: Any) -> Any:
        """Return the value with secrets masked and without credentials in addresses; JSON-like."""
        if isinstance(value, Mapping):
            return {key: self.shown(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.shown(item) for item in value]
        if isinstance(value, Secret) or (self.secret and value):
            return MASK
        return without_login(value) if isinstance(value, str) else value


@cache
def fields_of(model: type[msgspec.Struct]) -> tuple[Field, ...]:
    """Return a model's fields: the exporter's own, then login, HTTP and delivery; each group in source order."""
    shared = [base for base in model.__mro__ if _is_model(base) and base.__module__.startswith(_SHARED)]
    rank = {
        info.name: len(shared) - number for number, base in enumerate(shared) for info in msgspec.structs.fields(base)
    }
    every = [_field(model, info) for info in msgspec.structs.fields(model)]
    return tuple(sorted(every, key=lambda field: -rank.get(field.key, len(shared) + 1)))


def field_map(model: type[msgspec.Struct]) -> Mapping[str, Field]:
    """Return the fields by key."""
    return {field.key: field for field in fields_of(model)}


def toml_value(value: Any) -> str:
    """Return a value as TOML on a single line; None, which TOML lacks, as an empty text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        inside = ", ".join(f"{json.dumps(key)} = {toml_value(item)}" for key, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return json.dumps("" if value is None else value, ensure_ascii=False)


def without_login(text: str) -> str:
    """Return a text without the credentials and the query of an address in it."""
    if "://" not in text or not {"@", "?", "#"}.intersection(text):
        return text
    from magictel.net.address import printable

    return printable(text)


def _is_model(base: type) -> bool:
    return issubclass(base, msgspec.Struct) and base is not msgspec.Struct


def _field(model: type[msgspec.Struct], info: msgspec.structs.FieldInfo) -> Field:
    bare, meta = _unwrap(info.type)
    inner, optional = _without_none(bare)
    inner, inner_meta = _unwrap(inner)
    meta = meta or inner_meta or msgspec.Meta()
    extra = meta.extra or {}
    kind = _kind(inner)
    key = info.encode_name
    default = info.default
    if info.default_factory is not msgspec.NODEFAULT:
        default = info.default_factory()
    required = default is msgspec.NODEFAULT
    secret = bool(extra.get("secret")) or kind in ("secret", "secrets")
    routes, file = extra.get("routes"), extra.get("file")
    bounds = tuple((sign, float(value)) for sign in ("gt", "ge", "le") if (value := getattr(meta, sign)) is not None)
    prefix = getattr(model, "env_prefix", "")
    named: Mapping[str, tuple[str, ...]] = getattr(model, "env_names", {})
    env = tuple(named.get(key) or extra.get("env") or ((prefix + key).upper(),))
    reads: Mapping[str, Callable[[str], Any]] = {**getattr(model, "env_read", {}), **(extra.get("read") or {})}
    return Field(
        key=key,
        kind=kind,
        type=info.type,
        sentence=meta.description or "",
        required=required,
        default=None if required else default,
        optional=optional,
        unit=extra.get("unit"),
        example=meta.examples[0] if meta.examples else None,
        secret=secret,
        address=bool(extra.get("address")) or key == "url" or key.endswith("_url"),
        env=env,
        read={name: reads[name] for name in env if name in reads},
        deprecated=extra.get("deprecated"),
        choices=tuple(map(str, get_args(inner))) if kind == "choice" else (),
        bounds=bounds,
        routes=bool(routes) if routes is not None else not secret and extra.get("unit") is None,
        file=bool(file) if file is not None else kind == "text" and bool(_FILE.search(key)),
        credential=secret or bool(extra.get("credential")),
    )


def _unwrap(annotation: Any) -> tuple[Any, msgspec.Meta | None]:
    metadata: Iterable[Any] = getattr(annotation, "__metadata__", ())
    meta = next((item for item in metadata if isinstance(item, msgspec.Meta)), None)
    return (annotation.__origin__ if metadata else annotation), meta


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [variant for variant in get_args(annotation) if variant is not type(None)]
        if len(rest) == 1:
            return rest[0], len(rest) != len(get_args(annotation))
    return annotation, False


def _kind(bare: Any) -> FieldType:
    simple: dict[Any, FieldType] = {str: "text", float: "number", int: "whole", bool: "switch", Secret: "secret"}
    if bare in simple:
        return simple[bare]
    outer = get_origin(bare)
    if outer is Literal:
        return "choice"
    if outer in (list, tuple):
        return "list"
    if outer is dict:
        return "secrets" if get_args(bare)[-1] is Secret else "mapping"
    raise TypeError(f"a setting cannot be of type {bare!r}")
