"""Realtime's messages, bindings and records without a server."""

from __future__ import annotations

import struct

import pytest

from local_supabase.realtime.bindings import BadBindingError, id_of, of_topic, parse
from local_supabase.realtime.frames import decode, decode_binary, encode, encode_broadcast
from local_supabase.realtime.pgoutput import Decoder
from local_supabase.realtime.records import members_of


def test_members_keep_every_value_as_postgres_wrote_it() -> None:
    text = '{"a": 12.300, "b,": {"c": [1, "}, "]}, "é\\"": "x", "d": null, "e": ' + "9" * 5000 + "}"
    assert members_of(text) == {
        "a": "12.300",
        "b,": '{"c": [1, "}, "]}',
        'é"': '"x"',
        "d": "null",
        "e": "9" * 5000,
    }
    assert members_of("{}") == {}


def test_a_filter_is_cut_at_commas_outside_of_lists() -> None:
    conditions = parse({"table": "t", "filter": "a=in.(1,2),b=not.eq.x.y,c=is.null"}).conditions
    assert [(c.column, c.operator, c.value, c.negated) for c in conditions] == [
        ("a", "in", "(1,2)", False),
        ("b", "eq", "x.y", True),
        ("c", "is", "null", False),
    ]


@pytest.mark.parametrize("params", [None, 5, "all", [], {"filter": 5}, {"filter": ["a"]}])
def test_what_is_no_binding_is_refused(params: object) -> None:
    with pytest.raises(BadBindingError, match="No subscription params provided"):
        parse(params)


def test_ids_depend_on_the_parameters_and_not_on_their_order() -> None:
    assert id_of({"a": 1, "b": None}) == id_of({"b": None, "a": 1})
    assert id_of({"a": 1}) != id_of({"a": "1"})
    assert 0 <= id_of("anything") < 2**27


def test_a_topic_names_schema_table_and_filter() -> None:
    assert of_topic("public") == {"schema": "public"}
    assert of_topic("public:t:a=eq.b:c") == {
        "schema": "public",
        "table": "t",
        "filter": "a=eq.b:c",
    }


def test_each_version_decodes_its_own_shape_only() -> None:
    array, mapping = '["1","2","t","e",{}]', '{"topic":"t","event":"e","payload":{},"ref":"2"}'
    assert decode(array, "1.0.0") is None
    assert decode(mapping, "2.0.0") is None
    for text, version in ((array, "2.0.0"), (mapping, "1.0.0")):
        message = decode(text, version)
        assert message is not None
        assert (message.topic, message.event, message.ref) == ("t", "e", "2")


def test_a_payload_is_passed_on_as_it_is_written() -> None:
    payload = '{"n": 12.300}'
    assert payload in encode("1.0.0", "t", "e", payload)
    assert encode("2.0.0", "t", "e", payload) == f'[null,null,"t","e",{payload}]'


def test_a_binary_broadcast_says_the_length_of_its_parts_in_bytes() -> None:
    frame = encode_broadcast("2.0.0", "realtime:é", "ev", "id", "{}")
    assert isinstance(frame, bytes)
    assert frame[:5] == bytes([4, 11, 2, 11, 1])
    assert frame.endswith(b'{"id":"id"}{}')
    with pytest.raises(ValueError, match="at most 255 bytes"):
        encode_broadcast("2.0.0", "t" * 256, "ev", "id", "{}")


@pytest.mark.parametrize("data", [b"", b"\x03", b"\x04" * 9, b"\x03\x00\x00\x00\x00\x00\x01{"])
def test_a_binary_frame_that_says_nothing_is_none(data: bytes) -> None:
    assert decode_binary(data) is None


def test_the_log_keeps_what_the_identity_kept() -> None:
    def string(text: str) -> bytes:
        return text.encode() + b"\x00"

    def values(*texts: str | None) -> bytes:
        parts = (
            b"n" if text is None else b"t" + struct.pack("!i", len(text)) + text.encode()
            for text in texts
        )
        return struct.pack("!h", len(texts)) + b"".join(parts)

    decoder = Decoder()
    relation = b"R" + struct.pack("!i", 7) + string("public") + string("t") + b"d"
    columns = b"\x01" + string("id") + struct.pack("!ii", 23, -1)
    columns += b"\x00" + string("note") + struct.pack("!ii", 25, -1)
    assert decoder.decode(relation + struct.pack("!h", 2) + columns) is None
    assert decoder.decode(b"B" + struct.pack("!qqi", 1, 86_400_000_000, 5)) is None
    deleted = decoder.decode(b"D" + struct.pack("!i", 7) + b"K" + values("1", None))
    assert deleted is not None
    assert (deleted.kind, deleted.old, deleted.new) == ("DELETE", {"id": "1"}, None)
    assert deleted.committed_at.isoformat() == "2000-01-02T00:00:00+00:00"
    assert (deleted.relation.schema, deleted.relation.name) == ("public", "t")
