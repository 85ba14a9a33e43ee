"""Whatever is in a file, only faults come, and quickly."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol_texts import LIMIT_S, PROTOCOL, RIG, WHOLE, WHOLE_RIG, changed, runs_within, said, with_steps

from annealscope.controller.config.errors import ProtocolError
from annealscope.controller.config.load import parse_protocol, parse_rig
from annealscope.controller.config.yaml_nodes import parse_yaml
from annealscope.controller.planning import plan

HOSTILE = {
    "many unknown keys": "".join(f"key{i}: 1\n" for i in range(2400)),
    "many unknown names": with_steps("  - acquire: emc\n" * 1600),
    "many wrong units": with_steps("  - ramp: {to: 5 nm, rate: 3}\n" * 700),
    "a list": "- a\n- b\n",
    "a text": "just text",
    "a number": "5",
    "not a number": changed(PROTOCOL, "100 degC", ".nan"),
    "sexagesimal": changed(PROTOCOL, "2000 s", "4:30"),
    "octal": changed(PROTOCOL, "frames: 2000", "frames: 010"),
    "long unit": changed(PROTOCOL, "100 degC", "1 " + "x" * 50_000),
    "long digits": changed(PROTOCOL, "100 degC", "1" * 50_000 + " degC"),
    "long spaces": changed(PROTOCOL, "100 degC", '"1' + " " * 50_000 + '1"'),
    "long key": PROTOCOL + "k" * 50_000 + ": 1\n",
    "sections of the wrong kind": "acquisitions: [1]\nsequences: 5\nsteps: {acquire: x}\n",
    "many repetitions": with_steps(f"  - for_each: {{n: {list(range(4000))}, steps: [{{acquire: emc}}]}}\n"),
    "repetitions of nothing": with_steps("  - for_each: {n: [], steps: []}\n" * 400),
    "names that are blocks": with_steps("  - acquire: {a: 1}\n  - hold: {for: [1]}\n  - acquire: []\n"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_protocols_are_refused_quickly(name):
    assert said(HOSTILE[name])
    assert runs_within(LIMIT_S, lambda: said(HOSTILE[name]))


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


@pytest.mark.parametrize("escape", ["\\ud800", "\\udc00\\ud800", "\\u0000", "\\ud800\\udc00"])
def test_characters_that_are_none_are_refused_where_they_stand(escape):
    text = PROTOCOL.replace("camera: imaging", f'camera: "{escape}"')
    assert text != PROTOCOL
    with pytest.raises(ProtocolError, match="control characters are not allowed"):
        parse_protocol(text)
