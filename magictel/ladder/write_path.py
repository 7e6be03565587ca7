"""The http and auth rungs of a backend that has only a write path: what a GET proves, and what only a write proves.

Servers that route by method (actix, Express, Rocket, http.server) answer 404, 405 or 501 to a GET on a path that accepts POST. An
exporter's own probes use the same classification; an exporter without probes of these rungs uses these functions.
"""

from __future__ import annotations

from collections.abc import Collection

from magictel.errors import WireError
from magictel.http.products import another_product
from magictel.http.responder import ResponderKind, responder_of
from magictel.http.wire import Reply, Wire
from magictel.ladder.http import explain_wire_error, not_a_backend
from magictel.model.finding import UNPROVEN, Finding, Rung
from magictel.net.endpoint import Endpoint

_BY_METHOD = frozenset({404, 405, 501})


def write_path(wire: Wire, path: str, backend: str, own_products: Collection[str] = ()) -> Reply | Finding:
    """Return the reply to a GET on the write path, or the http rung's finding for a reply that no backend sends.

    `backend`: the displayed name of the expected backend. `own_products`: its names in `magictel.http.products`.
    """
    try:
        reply = wire.get(path)
    except WireError as failure:
        return explain_wire_error(failure, wire)
    product = another_product(reply, own_products)
    if product is not None:
        return _other(reply, wire, backend, product)
    if reply.status in _BY_METHOD and responder_of(reply).kind is not ResponderKind.LOGIN:
        return reply
    return not_a_backend(reply, wire) or reply


def unproven(reply: Reply, wire: Wire, backend: str, remedy: str, own_products: Collection[str] = ()) -> Finding:
    """Return the warning for a reply to a GET that says nothing about POST, or a failure if the server's root names another product."""
    here = wire.endpoint
    if here.path or reply.status == 404:
        try:
            product = another_product(wire.at(Endpoint(here.scheme, here.host, here.port, "")).get("/"), own_products)
        except WireError:
            product = None
        if product is not None:
            return _other(reply, wire, backend, product)
    return Finding.warned(
        Rung.HTTP,
        UNPROVEN,
        f"{reply.status} to a GET on the write path: this does not prove that it accepts POST",
        remedy,
        status=reply.status,
        first_bytes=wire.first_bytes(reply),
    )


def _other(reply: Reply, wire: Wire, backend: str, product: str) -> Finding:
    return Finding.failed(
        Rung.HTTP,
        "http.other-product",
        f"{wire.endpoint.origin} is {product}, not {backend}",
        "correct the address, or use the exporter for this product",
        status=reply.status,
        product=product,
        first_bytes=wire.first_bytes(reply),
    )
