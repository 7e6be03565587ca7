"""An emulator of Elasticsearch 7, 8, 9 and OpenSearch 2, 3, as far as telemetry meets them.

    emulator    `SearchEmulator`: decompresses, authenticates, routes
    dialect     product and version, and what differs between them
    answers     replies and errors in the engine's own shapes
    security    users, API keys, privileges (Elasticsearch's; OpenSearch's plugin as far as it is known)
    bulk        `_bulk`: parsing, item by item
    cluster     indices, data streams, templates, aliases of names: the state
    templates   index, component and legacy templates
    mapping     a mapping: fields, objects, multi-fields, dynamic templates, as JSON and back
    parsing     a document against a mapping: doc values, ignored fields, new fields, refusals
    values      what each field type makes of a JSON value, and how doc values show it
    dates       the engine's date formats
    timeseries  `index.mode: time_series`: dimensions, ids, the window
    query       which documents a query matches
    search      `_search` and `_count`: hits as users see the data
    admin       health, settings, mappings, templates, `_cat`: the rest of the API

It decodes with `json` and code of its own, nothing of magictel's encoders. Where engine and emulator differ the
emulator is wrong: `tests/sandbox/test_differential.py` runs the same scenarios on both.
"""

from __future__ import annotations

from magictel.sandbox.elasticsearch.emulator import ElasticsearchEmulator, OpenSearchEmulator, SearchEmulator
from magictel.sandbox.elasticsearch.security import Principal, Security

__all__ = ["ElasticsearchEmulator", "OpenSearchEmulator", "Principal", "SearchEmulator", "Security"]
