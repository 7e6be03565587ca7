"""An emulator of Elasticsearch 8 and OpenSearch 2, security off: what magictel's commands ask of a backend, and nothing else.

    emulator   `SearchEmulator`: decompresses, routes, answers
    routes     paths and methods, and the query parameters that reads take
    handlers   what stands behind each path
    bulk       the lines of a `_bulk`, and one verdict per item
    cluster    the state: indices, data streams, index templates
    mapping    a mapping: fields, objects, multi-fields, dynamic templates
    documents  a document against a mapping: doc values, ignored fields, refusals; `values` reads scalars
    search     which documents match, and how a hit shows them; `field_caps` what can be searched
    errors     refusals and replies in the engine's shapes
    item_errors  the refusals that a scripted fault can provoke

It decodes with `json` and code of its own, nothing of magictel's encoders. `tests/emulators/elasticsearch` extends it to every
version, with security, time series and all that no command asks for; that one is held against real engines, this one against it.
"""

from __future__ import annotations

from magictel.sandbox.elasticsearch.emulator import ElasticsearchEmulator, OpenSearchEmulator, SearchEmulator

__all__ = ["ElasticsearchEmulator", "OpenSearchEmulator", "SearchEmulator"]
