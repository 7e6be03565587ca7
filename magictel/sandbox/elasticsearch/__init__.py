"""An emulator of Elasticsearch 8 and OpenSearch 2, security off: the requests of magictel's commands only.

    emulator   `SearchEmulator`: decompresses a request, finds its handler, builds the reply
    routes     paths and methods, and the query parameters that each accepts
    handlers   a function for each path
    bulk       the lines of a `_bulk`, and a result for each item
    cluster    the state: indices, data streams, index templates
    mapping    a mapping: fields, objects, multi-fields, dynamic templates
    documents  a document against a mapping: doc values, ignored fields, refusals; `values` reads scalars
    search     which documents match, how a hit shows them, and `_field_caps`
    errors     the differences of the two products; refusals and replies in the engine's shapes
    item_errors  the item errors that a scripted fault can choose

It decodes with `json` and its own code, never with magictel's encoders. `tests/emulators/elasticsearch` extends it to every version,
security, time series and the requests that no command sends. Tests compare that one with real engines, and this one with it.
"""

from __future__ import annotations

from magictel.sandbox.elasticsearch.emulator import ElasticsearchEmulator, OpenSearchEmulator, SearchEmulator

__all__ = ["ElasticsearchEmulator", "OpenSearchEmulator", "SearchEmulator"]
