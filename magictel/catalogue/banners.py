"""Texts by which a port identifies itself to a wrong type of request, and their codes. Pages of other packages may add `banners`."""

from __future__ import annotations

from typing import NamedTuple


class Banner(NamedTuple):
    """A text that a port sends; `sentence` follows its address."""

    text: str
    code: str
    sentence: str
    remedy: str


BANNERS = (
    Banner(  # Elasticsearch's and OpenSearch's TcpTransport
        "This is not an HTTP port",
        "es.http.wrong-port",
        "is the transport port of the nodes, not the HTTP port for clients",
        "use the HTTP port, 9200 by default",
    ),
)


def banner_in(text: str) -> Banner | None:
    """Return the banner that a text contains, or None."""
    ours = next((banner for banner in BANNERS if banner.text in text), None)
    return ours or (_of_plugins(text) if text.strip() else None)


def _of_plugins(text: str) -> Banner | None:
    from magictel.catalogue.plugins import entries  # scans every installed package

    for code, page in entries().items():
        for banner in page.get("banners", ()):
            if banner in text:
                return Banner(banner, code, page.get("banner", f"answers {banner!r}"), page["fix"][0])
    return None
