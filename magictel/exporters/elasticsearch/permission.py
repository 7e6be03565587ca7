"""The write rung: the permission to write, blocks, and the effects of the mapping on the values. Nothing is written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from magictel.exporters.elasticsearch import blocks
from magictel.exporters.elasticsearch.mapping import Effect, Mapped, effects, mapped
from magictel.exporters.elasticsearch.probes import refused
from magictel.exporters.elasticsearch.unborn import UNREADABLE
from magictel.exporters.elasticsearch.version import Product, ask_product
from magictel.http.wire import Wire
from magictel.ladder.credentials import SentCredentials
from magictel.model.finding import Finding, Rung, Status

_CHECKED_SINCE = (3, 2)
"""OpenSearch answers `perform_permission_check` since 3.2 (security#5496); an older one would carry the request out."""
_NO_HANDLER = frozenset({400, 404, 405})


class Right(msgspec.Struct, frozen=True):
    """The proved permission to write. `against` is a failed or skipped finding."""

    sentence: str
    against: Finding | None = None
    evidence: Mapping[str, Any] = msgspec.field(default_factory=dict)
    may_create: bool = True


def write(wire: Wire, index: str, opensearch: bool, given: SentCredentials, target: str) -> Finding:
    """Check the rung. Raises `WireError`. `target` is named in remedies."""
    product = ask_product(wire, opensearch)
    right = _opensearch(wire, index, product, given) if product.opensearch else _elasticsearch(wire, index, given)
    if right.against is not None and right.against.outcome is Status.FAIL:
        return right.against
    settings = blocks.cluster_settings(wire)
    closed = blocks.of_cluster(settings) or blocks.of_index(wire, index)
    if closed is not None:
        return closed
    mapped_fields = mapped(wire, index)
    missing = mapped_fields is not None and not mapped_fields.exists
    if missing and not right.may_create:
        return _may_not_create(index)
    if missing:
        refusal = blocks.no_auto_create(settings, index)
        if refusal is not None:
            return refusal
    if mapped_fields is not None and mapped_fields.source == UNREADABLE:
        mapped_fields = None
    mapping = _mapping(mapped_fields, index, right, target)
    if mapping is not None:
        return mapping
    if right.against is not None:
        return right.against
    effect_on_values = (
        "the mapping keeps the values"
        if mapped_fields is not None
        else "the mapping cannot be read with these credentials"
    )
    source = mapped_fields.source if mapped_fields is not None else UNREADABLE
    return Finding.passed(Rung.WRITE, f"{right.sentence}; {effect_on_values}", mapping=source, **right.evidence)


def smallest_role(index: str) -> dict[str, Any]:
    """Return the smallest Elasticsearch role that may write to an index and create it on the first write."""
    return {"indices": [{"names": [index], "privileges": ["auto_configure", "create_doc"]}]}


def _elasticsearch(wire: Wire, index: str, given: SentCredentials) -> Right:
    """Read the caller's own privileges from `_has_privileges`. Without security that endpoint does not exist."""
    wanted = {"index": [{"names": [index], "privileges": ["create_doc", "auto_configure", "read"]}]}
    reply = wire.post("/_security/user/_has_privileges", wanted)
    body = reply.json()
    if reply.status == 401:
        return Right("", refused(wire, reply, False, given))
    privileges = body.get("index", {}).get(index) if reply.status == 200 and isinstance(body, dict) else None
    if not isinstance(privileges, dict):
        if reply.status in _NO_HANDLER:
            return Right("allowed", evidence={"security": "off"})
        read_permission = f"{reply.status} to _has_privileges: {wire.first_bytes(reply)}"
        return Right("", Finding.skipped(Rung.WRITE, read_permission, "es.write.unprovable"))
    role = smallest_role(index)
    evidence = {"security": "on", "privileges": privileges, "smallest_role": role}
    if not privileges.get("create_doc"):
        return Right(
            "",
            Finding.failed(
                Rung.WRITE,
                "es.authz.bulk",
                f"the credentials may not write to {index}",
                f"the smallest role that is enough: {json.dumps(role)}",
                **evidence,
            ),
        )
    read_permission = "allowed" if privileges.get("read") else "may write but not read (a sample stays unverified)"
    return Right(read_permission, evidence=evidence, may_create=bool(privileges.get("auto_configure")))


def _opensearch(wire: Wire, index: str, product: Product, given: SentCredentials) -> Right:
    who = wire.get("/_plugins/_security/authinfo")
    if who.status in _NO_HANDLER:
        return Right("allowed", evidence={"security": "off"})
    if who.status == 401:
        return Right("", refused(wire, who, True, given))
    if not product.known or product.version[:2] < _CHECKED_SINCE:
        return Right(
            "",
            Finding.skipped(
                Rung.WRITE,
                f"{product} cannot tell whether a write would be allowed; 3.2 and later can",
                "os.write.unprovable",
                "magictel send-sample shows it, by writing",
                security="on",
            ),
        )
    # Only after the security plugin has answered and the version is known: anybody else would carry the request out.
    item = json.dumps({"create": {"_index": index}}) + "\n{}\n"
    reply = wire.request(
        "POST",
        "/_bulk?perform_permission_check=true",
        body=item.encode(),
        headers={"Content-Type": "application/x-ndjson"},
    )
    body = reply.json()
    allowed = body.get("accessAllowed") if isinstance(body, dict) else None
    if allowed is True:
        return Right("allowed", evidence={"security": "on"})
    missing = body.get("missingPrivileges", []) if isinstance(body, dict) else []
    if allowed is False or reply.status == 403:
        return Right(
            "",
            Finding.failed(
                Rung.WRITE,
                "os.authz.denied",
                f"the user's roles do not allow writing to {index}: {', '.join(map(str, missing)) or wire.first_bytes(reply)}",
                "map the user to a role with crud and create_index on the index",
                missing=missing,
            ),
        )
    return Right(
        "",
        Finding.skipped(
            Rung.WRITE, f"{reply.status} to the permission check: {wire.first_bytes(reply)}", "os.write.unprovable"
        ),
    )


def _may_not_create(index: str) -> Finding:
    role = smallest_role(index)
    return Finding.failed(
        Rung.WRITE,
        "es.authz.auto-create",
        f"{index} does not exist, and the credentials may write but not create it",
        f"have an administrator create it, or grant auto_configure: {json.dumps(role)}",
        smallest_role=role,
    )


def _mapping(mapped_fields: Mapped | None, index: str, right: Right, target: str) -> Finding | None:
    if mapped_fields is None or (mapped_fields.prepared and not effects(mapped_fields.fields)):
        return None
    every = effects(mapped_fields.fields)
    evidence = {
        **right.evidence,
        "mapping": mapped_fields.source,
        "fields": [{"field": effect.field, "type": effect.type, "effect": effect.sentence} for effect in every],
    }
    prepare = f"magictel prepare {target} --apply"
    if every and every[0].refuses:
        first = every[0]
        return Finding.failed(
            Rung.WRITE,
            first.code,
            f"{index} maps {first.field} as {first.type}: {first.sentence}",
            f"write to another index, after {prepare}; a field's type cannot be changed",
            **evidence,
        )
    allowed = right.sentence or "whether it is allowed cannot be proved"
    if every and (every[0].code != "es.mapping.float" or mapped_fields.prepared):
        named = ", ".join(f"{effect.field} ({effect.type})" for effect in every if effect.code == every[0].code)
        return Finding.warned(
            Rung.WRITE,
            every[0].code,
            f"{allowed}; {named}: {every[0].sentence}",
            f"{prepare}, and then a new index: a field's type cannot be changed",
            **evidence,
        )
    if mapped_fields.prepared:
        return None
    lacks = f"{index} is not prepared" if mapped_fields.exists else "the index has no template"
    remedy = f"{prepare}, and then a new index: a field's type cannot be changed" if mapped_fields.exists else prepare
    warning = Finding.warned(
        Rung.WRITE,
        "es.mapping.unprepared",
        f"{allowed}, but {lacks}: {_would(mapped_fields, every)}",
        remedy,
        **evidence,
    )
    spoils = f"the first write would create {index} without a template, and its decimals would stay 32-bit floats"
    return replace(warning, spoils=spoils if mapped_fields.bare else None)


def _would(mapped_fields: Mapped, every: Sequence[Effect]) -> str:
    if every:
        return f"{', '.join(effect.field for effect in every)} are stored as 32-bit floats (about 7 digits)"
    if mapped_fields.fields.kinds("value_double") == {"double"}:
        return "each attribute will become a field of its own"
    return "decimals will be stored as 32-bit floats (about 7 digits)"
