"""The sandbox's emulator, extended to Elasticsearch 7, 8, 9 and OpenSearch 2, 3, and to what no command of ours asks.

    emulator       `SearchEmulator`: decompresses, authenticates, routes
    dialect        product and version, and what differs between them
    answers        replies and errors in the engine's own shapes
    routes         paths and methods; `data_routes`, `state_routes`, `admin_routes` are the handlers, `context` what they get
    security       users, API keys, privileges (Elasticsearch's; OpenSearch's plugin as far as it is documented)
    actions, bulk  the lines of a `_bulk`, and one verdict an item; `streams` what data streams ask of it
    cluster        the state: indices (`index`), data streams, templates, aliases
    mapping        a mapping: fields and objects (`fields`), multi-fields, dynamic templates, as JSON and back
    parsing        a document (`lines`, `names`) against a mapping: doc values, ignored fields, refusals;
                   `dynamic` and `new_fields` what it adds, `flattened` whole objects, `values` and `dates` scalars
    timeseries     `index.mode: time_series`: dimensions, ids, the window
    query, search  which documents match, in which order (`sorting`), shown as users see them (`hits`)
    field_caps     `_field_caps`
    health, admin  what the cluster says of itself; settings, mappings, templates as JSON

What carries a request to its handler (routes, `Asked`, bulk items, the record of a document) is the sandbox's. Parsing, mapping,
state, search and verdicts are written twice on purpose: `tests/sandbox/test_sandbox_emulator.py` compares the two.

It decodes with `json` and code of its own, nothing of magictel's encoders. Where engine and emulator differ the
emulator is wrong: `tests/sandbox/test_differential.py` runs the same scenarios on both.
"""

from __future__ import annotations

from tests.emulators.elasticsearch.emulator import ElasticsearchEmulator, OpenSearchEmulator, SearchEmulator
from tests.emulators.elasticsearch.security import Principal, Security

__all__ = ["ElasticsearchEmulator", "OpenSearchEmulator", "Principal", "SearchEmulator", "Security"]
