"""What the page of the monitor is made of: vendored files as published, nothing from another host."""

import hashlib
import json
import re
from importlib.resources import files

import matplotlib
import numpy as np
import pytest

STATIC = files("annealscope.controller.monitor").joinpath("static")
VENDORED = json.loads(STATIC.joinpath("vendored.json").read_text(encoding="utf-8"))
OURS = sorted(
    one.name
    for one in STATIC.iterdir()
    if one.name.endswith((".js", ".css", ".html", ".svg")) and not one.name.startswith("uPlot")
)
COMMENT = re.compile(r"/\*.*?\*/|<!--.*?-->|(?<![:\"'`(=])//[^\n]*", re.DOTALL)
NAMESPACE = "http://www.w3.org/"
OTHER_HOST = re.compile(r"(?:\b(?:https?|wss?):|[\"'`(=]\s*)//[\w$.{-]+[^\s\"'`)]*")


def other_hosts(text: str) -> list[str]:
    """Return the addresses of other hosts outside comments; those of XML name spaces are only names."""
    return [found for found in OTHER_HOST.findall(COMMENT.sub("", text)) if not found.startswith(NAMESPACE)]


@pytest.mark.parametrize("entry", VENDORED, ids=lambda entry: entry["file"])
def test_a_vendored_file_is_the_published_one(entry):
    # A checkout on Windows may have changed the line ends.
    content = STATIC.joinpath(entry["file"]).read_bytes().replace(b"\r\n", b"\n")
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]


def test_every_vendored_file_is_listed_with_where_it_comes_from():
    assert {one.name for one in STATIC.iterdir() if one.name.startswith("uPlot")} == {
        entry["file"] for entry in VENDORED
    }
    script = STATIC.joinpath("uPlot.iife.min.js").read_text(encoding="utf-8")
    for entry in VENDORED:
        assert entry["name"] == "uPlot"
        assert entry["licence"] == "MIT"
        assert entry["source"].startswith("npm uplot ")
        assert f"(v{entry['version']})" in script


@pytest.mark.parametrize(
    "name", [*OURS, *(entry["file"] for entry in VENDORED if not entry["file"].endswith("LICENSE"))]
)
def test_a_static_file_asks_no_other_host(name):
    assert other_hosts(STATIC.joinpath(name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ('import x from "https://cdn.example/x.js";', True),
        ("@import url(//fonts.example/a.css);", True),
        ('<script src="//cdn.example/x.js">', True),
        ('new WebSocket("wss://example/ws")', True),
        ("// see https://example.org\nlet a;", False),
        ("/* https://example.org */", False),
        ('const SVG = "http://www.w3.org/2000/svg";', False),
        ("new WebSocket(`${scheme}//${location.host}/ws`)", False),
    ],
)
def test_the_search_for_other_hosts_finds_them(text, asks):
    assert bool(other_hosts(text)) == asks


@pytest.mark.parametrize("name", ["viridis", "cividis", "inferno"])
def test_colour_maps_are_those_of_matplotlib(name):
    """The stops are every fifth colour; between them interpolation is within 4 of 255."""
    text = STATIC.joinpath("lut.js").read_text(encoding="utf-8")
    (block,) = re.findall(rf"  {name}:((?:\s*\"[0-9a-f]+\"\s*\+?)+),", text)
    stops = np.frombuffer(bytes.fromhex("".join(re.findall(r"[0-9a-f]{6,}", block))), dtype=np.uint8).reshape(
        -1, 3
    )
    published = 255 * matplotlib.colormaps[name](np.arange(256))[:, :3]
    places = np.linspace(0, 255, len(stops))
    drawn = np.column_stack([np.interp(np.arange(256), places, channel) for channel in stops.T])
    assert np.abs(np.rint(drawn) - published).max() < 4.5
    assert np.array_equal(stops, np.rint(published)[::5])
