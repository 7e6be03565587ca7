"""Labels by column are the labels one by one, whatever the values' types and however often they recur."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from magictel.exporters.prometheus_remote_write.label_columns import SortedLabels
from magictel.formats.prometheus.label_columns import encoded_label, encoded_labels, label_column
from magictel.formats.prometheus.names import label_name, label_value, labels

alike = st.sampled_from([1, True, 1.0, "1", 0, False, 0.0, -0.0, "", None, "\ud800", "é", 2**70, b"1", (1,), (True,)])
values = st.one_of(
    st.lists(st.one_of(alike, st.text(max_size=3)), min_size=1, max_size=20),
    *(st.lists(of_one_type, min_size=1, max_size=20) for of_one_type in (st.booleans(), st.integers(0, 3), st.text())),
)


@given(values)
def test_a_column_of_labels_is_each_label(given_values: list[Any]) -> None:
    texts = map(label_value, given_values)
    assert list(label_column("key", given_values, encoded_labels)) == [
        encoded_label("key", text) if text else b"" for text in texts
    ]


@given(
    st.lists(st.dictionaries(st.sampled_from(["a", "a.b", "a_b", "le", "m", "zone"]), alike), min_size=1, max_size=8)
)
def test_labels_are_cut_where_the_marks_stand(attributes: list[dict[str, Any]]) -> None:
    fixed, marks, reserved = {"job": b"<job>"}, ("__name__", "le"), ("job", "__name__", "le")
    encoder = SortedLabels(label_name)
    for encoded in encoder.rows(attributes):
        parts = encoder.around(encoded, fixed, reserved, marks)
        for number, position in enumerate(encoded.rows.positions or range(len(attributes))):
            texts = labels(attributes[position], reserved)
            each = {**{name: encoded_label(name, text) for name, text in texts.items()}, **fixed}
            expected = [
                b"".join(each[name] for name in sorted(each) if low < name < high)
                for low, high in (("", "__name__"), ("__name__", "le"), ("le", "~"))
            ]
            assert [part if isinstance(part, bytes) else part[number] for part in parts] == expected


def test_the_same_attributes_again_are_not_encoded_again() -> None:
    first = [{"k": "a"}, {"k": "b"}]
    encoder = SortedLabels(label_name)
    assert encoder.rows(list(first)) is encoder.rows(list(first))
    assert encoder.rows([{"k": 1}]) is not encoder.rows([{"k": True}])
