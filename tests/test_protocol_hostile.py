"""Whatever is in a file, only faults come, at their places, and quickly."""

import contextlib
import json
import os
import re
import sys

import pytest
from hostile_inputs import FORM, LEFT_ALONE, MEANING, NO_TEXT, RIGS
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol_texts import (
    LARGE_RIG,
    LIMIT_S,
    PROTOCOL,
    RIG,
    WHOLE,
    WHOLE_RIG,
    changed,
    runs_within,
    with_steps,
)
from small_run import annealscope

from annealscope.controller.cli.app import app
from annealscope.controller.cli.guarded import guarded
from annealscope.controller.config.errors import ProtocolError
from annealscope.controller.config.load import load_protocol, parse_protocol, parse_rig
from annealscope.controller.config.yaml_nodes import MAX_BYTES, parse_yaml
from annealscope.controller.planning import plan
from annealscope.controller.session.options import default_folder

HOSTILE = {**NO_TEXT, **FORM, **MEANING, **RIGS}
MAX_SAID = 20_000
"""Characters of all messages about one file: nobody reads more."""


@pytest.fixture
def inputs(tmp_path):
    """Return a function that writes a hostile file beside a good one, and gives the command's arguments."""

    def write(name):
        content = HOSTILE[name]
        hostile, protocol, rig = (tmp_path / f"{stem}.yaml" for stem in ("hostile", "protocol", "rig"))
        hostile.write_bytes(content if isinstance(content, bytes) else content.encode())
        protocol.write_text(PROTOCOL, encoding="utf-8")
        rig.write_text(LARGE_RIG, encoding="utf-8")
        return [protocol, "--rig", hostile] if name in RIGS else [hostile, "--rig", rig]

    return write


def test_no_case_is_there_twice():
    assert len(HOSTILE) == len(NO_TEXT) + len(FORM) + len(MEANING) + len(RIGS)
    assert len(set(HOSTILE.values()) - set(RIGS.values())) == len(HOSTILE) - len(RIGS) - 1  # one is empty too


@pytest.mark.parametrize("name", HOSTILE)
def test_what_cannot_be_used_is_refused_at_its_place(name, inputs, capsys):
    arguments = ["validate", *map(str, inputs(name))]
    assert guarded(lambda: app(arguments)) == 3
    out, err = capsys.readouterr()
    assert not out
    place = r"" if name in NO_TEXT or "empty" in name or "UTF-16" in name else r":\d+:\d+: "
    assert re.match(rf"\S+hostile\.yaml{place}", err)
    assert len(err) < MAX_SAID
    assert all(c.isprintable() or c in "\n\u202f\u00a0" for c in err)


@pytest.mark.parametrize("name", [name for name, content in HOSTILE.items() if len(content) > 5000])
def test_no_file_takes_long(name):
    parse = parse_rig if name in RIGS else parse_protocol

    def refuse():
        with pytest.raises(ProtocolError):
            parse(HOSTILE[name])

    assert runs_within(LIMIT_S, refuse)


def test_the_longest_protocol_is_planned_quickly():
    acquisitions = f"  - for_each: {{n: {list(range(4900))}, steps: [{{acquire: ecm}}]}}\n"
    protocol, rig = parse_protocol(with_steps(acquisitions)), parse_rig(LARGE_RIG)
    assert len(plan(protocol, rig).steps) == 4900
    assert runs_within(2 * LIMIT_S, lambda: plan(protocol, rig))


def test_a_program_of_its_own_says_the_same_without_a_traceback(inputs):
    for name in ("a pickle", "billion laughs", "nested repetitions, 1e9 steps", "a rig of anchors"):
        done = annealscope("validate", *inputs(name))
        assert done.returncode == 3, done.stderr
        assert "Traceback" not in done.stderr


NO_FILES = {
    "a folder": lambda place: place.mkdir(),
    "a link to itself": lambda place: place.symlink_to(place),
    "a link to nothing": lambda place: place.symlink_to("nothing.yaml"),
    "a pipe": lambda place: os.mkfifo(place),
    "an endless device": lambda place: place.symlink_to("/dev/zero"),
    "a file of another owner": lambda place: place.touch(mode=0o000),
    "nothing": lambda place: None,
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes, devices and modes in its folders")
@pytest.mark.parametrize("name", NO_FILES)
def test_what_is_no_file_is_refused_at_once(name, tmp_path):
    place = tmp_path / "p.yaml"
    NO_FILES[name](place)
    if name == "a file of another owner" and os.access(place, os.R_OK):
        pytest.skip("root may read every file")
    with pytest.raises(ProtocolError, match=r"p\.yaml: cannot be read: \w+"):
        load_protocol(place)


@pytest.mark.parametrize("name", ["x" * 300 + ".yaml", "a\0b.yaml", "../../nothing.yaml", "CON.yml/x.yaml"])
def test_a_file_name_that_cannot_be_is_refused(name):
    with pytest.raises(ProtocolError, match="cannot be read: "):
        load_protocol(name)


def test_a_file_may_be_as_large_as_is_said(tmp_path):
    filled = PROTOCOL + "#" * (MAX_BYTES - len(PROTOCOL))
    (tmp_path / "p.yaml").write_text(filled, encoding="utf-8")
    assert load_protocol(tmp_path / "p.yaml").name == "test"
    (tmp_path / "p.yaml").write_text(filled + "#", encoding="utf-8")
    with pytest.raises(ProtocolError, match="may have 65536 bytes"):
        load_protocol(tmp_path / "p.yaml")


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_what_other_programs_would_obey_is_printed_as_it_stands(name, tmp_path, capsys, monkeypatch):
    """Markup of the terminal library, formats, HTML: nothing is done with them."""
    text = LEFT_ALONE[name]
    protocol, rig = tmp_path / "p.yaml", tmp_path / "rig.yaml"
    protocol.write_text(changed(PROTOCOL, "name: test", f"name: {json.dumps(text)}"), encoding="utf-8")
    with protocol.open("a", encoding="utf-8") as file:
        file.write(f"  - prompt: {json.dumps(text)}\n")
    rig.write_text(LARGE_RIG, encoding="utf-8")
    monkeypatch.setenv("COLUMNS", "200")
    assert guarded(lambda: app(["plan", str(protocol), "--rig", str(rig)])) == 0
    out = capsys.readouterr().out
    assert out.count(text) >= 3  # title, timeline, card
    assert re.fullmatch(r"runs[/\\]\w+Z_[a-z0-9-]{1,40}", str(default_folder(load_protocol(protocol))))


WEIRD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3),
    max_leaves=5,
)
KNOWN = st.sampled_from(
    [
        "park", "ecm", "fem", "look", "dark", "beam", "{v}", "10 s",
        {"for_each": {"v": ["ecm"], "steps": [{}]}},
        {"for_each": {"v": ["ecm", 5], "steps": [{"acquire": "{v}"}]}}, {"prepare": "saed"}, {"prompt": "?"},
        {"any": [{"tau_within": "3 %"}], "max": "1 h"}, {"drift_below": "1 nm/min", "at_most": "1 h"},
    ]
)  # fmt: skip


def with_changes(text, changes):
    data = parse_yaml(text, "p").data
    for path, value in changes:
        with contextlib.suppress(KeyError, IndexError, TypeError):
            block = data
            for part in path[:-1]:
                block = block[part]
            block[path[-1]] = value
    return json.dumps(data)


@pytest.mark.parametrize(("text", "rig"), [(PROTOCOL, RIG), (WHOLE, WHOLE_RIG)], ids=["small", "whole"])
@given(data=st.data())
@settings(deadline=None, max_examples=100)
def test_whatever_stands_anywhere_only_protocol_errors_come(text, rig, data):
    places = sorted(parse_yaml(text, "p").values, key=str)[1:]
    changes = data.draw(st.lists(st.tuples(st.sampled_from(places), WEIRD | KNOWN), max_size=3))
    with contextlib.suppress(ProtocolError):
        protocol = parse_protocol(with_changes(text, changes))
        assert plan(protocol, parse_rig(rig)).steps


@pytest.mark.parametrize(
    "escape", ["\\ud800", "\\udc00\\ud800", "\\u0000", "\\ud800\\udc00", "\\u202e", "\\u200b"]
)
def test_characters_that_are_none_are_refused_where_they_stand(escape):
    text = PROTOCOL.replace("camera: imaging", f'camera: "{escape}"')
    assert text != PROTOCOL
    with pytest.raises(ProtocolError, match="control characters and invisible ones are not allowed"):
        parse_protocol(text)
