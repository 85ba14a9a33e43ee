import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol_texts import LIMIT_S, runs_within

from annealscope.controller.config.errors import ProtocolError
from annealscope.controller.config.yaml_nodes import MAX_BYTES, MAX_DEPTH, MAX_NODES, Mark, parse_yaml

INVISIBLE = "f:1:4: control characters and invisible ones are not allowed in a text\n"
SCALARS = [
    # text, value
    ("true", True),
    ("false", False),
    ("null", None),
    ("", None),
    ("7", 7),
    ("-7", -7),
    ("1.5", 1.5),
    ("1e-3", 0.001),
    ("4.4e5", 440000.0),
    ("1E+2", 100.0),
    # what YAML 1.1 would turn into something else
    ("on", "on"),
    ("off", "off"),
    ("yes", "yes"),
    ("no", "no"),
    ("True", "True"),
    ("~", "~"),
    ("010", "010"),
    ("0x10", "0x10"),
    ("0b1", "0b1"),
    ("1_000", "1_000"),
    ("4:30", "4:30"),
    ("2024-01-01", "2024-01-01"),
    (".nan", ".nan"),
    (".inf", ".inf"),
    (".5", ".5"),
    ("5.", "5."),
    ("+5", "+5"),
    # quoted is text
    ('"7"', "7"),
    ("'true'", "true"),
    ('""', ""),
    ("|\n  a\n  b\n", "a\nb\n"),
    (">\n  a\n  b\n", "a b\n"),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_a_scalar_is_what_json_has_or_text(text, value):
    read = parse_yaml(f"key: {text}", "f").data["key"]
    assert read == value
    assert type(read) is type(value)


def test_every_value_and_key_has_its_place():
    document = parse_yaml("a:\n  - b: 1\n    c: {d: [x, y]}\n", "f")
    assert document.data == {"a": [{"b": 1, "c": {"d": ["x", "y"]}}]}
    assert document.values[("a", 0, "c", "d", 1)] == Mark(3, 16)
    assert document.values[("a", 0)] == Mark(2, 5)
    assert document.keys[("a", 0, "c")] == Mark(3, 5)
    assert document.values[()] == Mark(1, 1)


def test_a_fault_points_at_a_value_or_at_the_key_of_a_block():
    document = parse_yaml("a:\n  - b: 1\n    c: {d: 2}\n", "f.yaml")
    assert str(document.fault(("a", 0, "b"), "wrong")) == "f.yaml:2:8: a.0.b: wrong\n    - b: 1\n         ^"
    assert str(document.fault(("a", 0, "c"), "wrong")) == "f.yaml:3:5: a.0.c: wrong\n      c: {d: 2}\n      ^"


def test_a_path_that_the_text_does_not_have_is_cut_to_what_it_has():
    document = parse_yaml("a: {b: 1}", "f")
    assert document.known(("a", "<tag>", "b", "missing")) == ("a", "b")


REFUSED = [
    # text, everything that is said
    (
        "a: &x 1",
        "f:1:4: anchors (&x) are not allowed; write the value out where it is used\n  a: &x 1\n     ^",
    ),
    (
        "a: !!python/object:os.system 1",
        "f:1:4: tags (tag:yaml.org,2002:python/object:os.system) are not allowed",
    ),
    ("a: !x 1", "f:1:4: tags (!x) are not allowed\n  a: !x 1\n     ^"),
    ("? {a: 1}\n: 2", "f:1:3: a key has to be a plain word\n  ? {a: 1}\n    ^"),
    ('"": 2', 'f:1:1: a key has to be a plain word\n  "": 2\n  ^'),
    ("a:\n  b: 1\n  b: 2", "f:3:3: a: the key `b` stands here twice, first in line 2\n    b: 2\n    ^"),
    ("a: 1\n---\nb: 2", "f:2:1: a second document begins here; a file has one\n  ---\n  ^"),
    ("%YAML 1.1\n---\na: 1", "f:1:1: directives (%YAML, %TAG) are not allowed\n  %YAML 1.1\n  ^"),
    ("a:\n\tb: 1", "f:2:1: not YAML: a tab cannot indent or begin a value; use spaces\n   b: 1\n  ^"),
    ("a: [1, 2", "f:1:9: a: not YAML: expected ',' or ']', but got '<stream end>'\n  a: [1, 2\n          ^"),
    ("a: b: c", "f:1:5: not YAML: mapping values are not allowed here\n  a: b: c\n      ^"),
    ("a: 1e999", "f:1:4: 1e999 is not a number that can be used\n  a: 1e999\n     ^"),
    ('a: "\\e[31m"', INVISIBLE + '  a: "\\e[31m"\n     ^'),
    ('a: "\\ud800"', INVISIBLE + '  a: "\\ud800"\n     ^'),
    ("a: \x1b[31m", "f:1:4: the character '\\x1b' is not allowed\n  a:  [31m\n     ^"),
    ('a: "\\Uffffffff"', "f:1:1: not YAML: a number in an escape sequence or directive is impossible"),
    ("", "f: the file is empty"),
    ("# nothing\n", "f: the file is empty"),
    ("---\n...\n", "f: the file is empty"),
    ("null", "f: the file is empty"),
    (b"\xff\xfea\x00", "f: not a text in UTF-8 (invalid start byte)"),
    (b"\x89PNG\r\n\x1a\n", "f: not a text in UTF-8 (invalid start byte)"),
    ("a: " + "x" * MAX_BYTES, "f: a file may have 65536 bytes, this one is larger"),
]


def messages(content):
    try:
        faults = parse_yaml(content, "f").faults
    except ProtocolError as error:
        faults = error.faults
    return [str(fault) for fault in faults]


@pytest.mark.parametrize(("content", "message"), REFUSED)
def test_what_is_refused(content, message):
    (said,) = messages(content)
    assert said == message or said.split("\n")[0] == message


def test_refusals_that_can_be_read_past_come_all_at_once():
    said = messages("a: &x 1\nb: *x\nb: 2\n<<: {c: 3}\n")
    assert [line.split("\n")[0] for line in said] == [
        "f:1:4: anchors (&x) are not allowed; write the value out where it is used",
        "f:2:4: aliases (*x) are not allowed; write the value out",
        "f:3:1: the key `b` stands here twice, first in line 2",
        "f:4:1: merge keys (<<) are not allowed; write the keys out",
    ]


def test_the_first_of_two_equal_keys_is_kept():
    document = parse_yaml("a: {b: 1}\na: {b: 2, c: 3}\n", "f")
    assert document.data == {"a": {"b": 1}}
    assert ("a", "c") not in document.values


def test_a_byte_order_mark_is_no_fault():
    assert parse_yaml(b"\xef\xbb\xbfa: 1", "f").data == {"a": 1}


def laughs():
    lines = ["a: &a [lol]"] + [
        f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]" for i in range(20)
    ]
    return "\n".join(lines)


def merge_bomb():
    levels = [f"l{i}: &l{i} {{<<: [{', '.join([f'*l{i - 1}'] * 9)}]}}" for i in range(1, 12)]
    return "\n".join(["l0: &l0 {a: 1}", *levels])


HOSTILE = {
    "billion laughs": laughs(),
    "merge-key bomb": merge_bomb(),
    "deep flow lists": "[" * 60_000,
    "deep flow lists in lines": "[\n" * 30_000,
    "deep flow mappings": "{a: " * 15_000,
    "deep block lists": "- " * 30_000,
    "deep block mappings": "".join(" " * i + "a:\n" for i in range(350)),
    "many nodes": "- a\n" * 16_000,
    "many flow nodes": "[" + "a," * 32_000 + "]",
    "many equal keys": "a: 1\n" * 13_000,
    "many anchors": "- &a x\n" * 9_000,
    "many documents": "---\n" * 16_000,
    "long number": "a: " + "9" * 60_000,
    "long key": "k" * 60_000 + ": 1",
    "long quoted": 'a: "' + "\\\n" * 30_000 + '"',
    "only tabs": "\t" * 60_000,
    "only breaks": "\n" * 60_000,
    "only question marks": "? " * 30_000,
    "only colons": ": " * 30_000,
    "directives": "%TAG ! x\n" * 7_000,
    "zeros": "\x00" * 60_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_quickly(name):
    assert runs_within(LIMIT_S, lambda: messages(HOSTILE[name]))
    assert messages(HOSTILE[name]) or name in ("long key", "long quoted")


@pytest.mark.parametrize(("depth", "fits"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False)])
def test_the_depth_that_is_allowed(depth, fits):
    said = messages("[" * depth + "]" * depth)
    assert said == [] if fits else "nested more than 20 deep" in said[0]


@pytest.mark.parametrize(("count", "fits"), [(MAX_NODES - 1, True), (MAX_NODES, False)])
def test_the_number_of_nodes_that_is_allowed(count, fits):
    said = messages("- a\n" * count)
    assert said == [] if fits else "more than 5000 keys and values" in said[0]


def only_protocol_errors(content):
    with contextlib.suppress(ProtocolError):
        document = parse_yaml(content, "f")
        for path in document.values:
            document.at(path)
            assert str(document.fault(path, "m"))


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_no_bytes_raise_anything_else(content):
    only_protocol_errors(content)


@given(
    st.lists(st.sampled_from(list("ab:-?[]{},&*!|>'\"%@`#~<0.e\\ \n\t\r\ufeff\u2028\x85")), max_size=60).map(
        "".join
    )
)
@settings(deadline=None, max_examples=300)
def test_no_soup_of_yaml_raises_anything_else(content):
    only_protocol_errors(content)


JSON_LIKE = st.recursive(
    st.booleans() | st.integers(-(10**9), 10**9) | st.text(st.characters(categories=["L", "N"]), min_size=1),
    lambda below: (
        st.lists(below, max_size=4)
        | st.dictionaries(st.text(st.characters(categories=["L"]), min_size=1), below, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON_LIKE)
@settings(deadline=None)
def test_json_reads_as_itself(value):
    assert parse_yaml(json.dumps(value, ensure_ascii=False), "f").data == value
