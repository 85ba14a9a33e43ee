"""The live page in a real browser, with a real run behind it: what it paints, asks for and commands.

Needs chromium; with ``ANNEALSCOPE_SCREENSHOTS`` set to a folder the pictures are kept there.
"""

import os
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from chromium import browser, chromium, page_at
from small_run import command, write_inputs

from annealscope.controller.client import RunClient
from annealscope.controller.journal import read_journal

pytestmark = [
    pytest.mark.skipif(chromium() is None, reason="chromium is not installed"),
    pytest.mark.timeout(120),
]
SPEED = 400
"""Times real time: about 20 frames a second."""
WITHIN_S = 40.0


def until(condition, what):
    """Wait until something is true, and return it."""
    deadline_s = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline_s:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {WITHIN_S} s")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def counters(page):
    return page.evaluate("() => window.annealscope")


def tau_of_the_tile(page):
    value, unit = (page.inner_text(f"[data-field=result-{part}]") for part in ("value", "unit"))
    return f"{value} {unit}"


def keep(page, folder, name):
    kept = Path(os.environ.get("ANNEALSCOPE_SCREENSHOTS", folder))
    page.screenshot(path=kept / f"{name}.png", full_page=True)


@contextmanager
def started(*arguments):
    process = subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def monitored(run, *options):
    """Give the address of the page of a run."""
    with started("monitor", run, *options) as process:
        said = process.stdout.readline()
        assert said.startswith("live page: http://"), said
        yield said.split()[-1]


@pytest.fixture(scope="module")
def chrome():
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that takes a movie."""
    folder = tmp_path_factory.mktemp("live")
    protocol, rig = write_inputs(folder, 50_000)
    path = folder / "run"
    options = ("--rig", rig, "--out", path, "--seed", 3, "--speed", SPEED, "--no-report")
    with started("run", protocol, *options):
        until(lambda: (path / "live.json").exists(), "a run")
        client = RunClient(path)
        until(lambda: client.status()["state"] == "running", "a run that is running")
        client.skip()  # the ramp: the movie is what is looked at
        until(lambda: client.status()["phase"] == "waiting", "the wait")
        client.skip()
        until(lambda: client.status()["frames"] > 100, "frames")
        yield path


def test_a_hold_is_painted_from_this_server_alone(chrome, run, tmp_path):
    with monitored(run, "--port", free_port()) as url, page_at(chrome, url) as page:
        until(lambda: counters(page)["frames"] >= 5, "frames on the page")
        page.wait_for_selector("#g2 canvas")
        page.wait_for_selector("#ttcf canvas")
        assert page.inner_text("[data-field=badge]") == "running"
        assert page.is_hidden("#control")
        colours = page.evaluate(
            "() => { const c = document.querySelector('#frame canvas');"
            " return new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size; }"
        )
        assert colours > 20, "the frame is blank"
        until(lambda: "±" in page.inner_text("#g2-note"), "g2 and its fit")
        until(lambda: tau_of_the_tile(page) in page.inner_text("#g2-note"), "one number in both places")
        keep(page, tmp_path, "hold")
        host = url.split("/")[2]
        assert {asked.split("/")[2] for asked in page.asked} == {host}
        assert page.said == []


@pytest.mark.slow
def test_a_late_browser_and_a_second_one_have_everything(chrome, run):
    with (
        monitored(run, "--port", free_port()) as url,
        page_at(chrome, url) as one,
        page_at(chrome, url) as other,
    ):
        for page in (one, other):
            until(lambda page=page: counters(page)["frames"] >= 2, "frames")
            until(lambda page=page: "±" in page.inner_text("#g2-note"), "g2 and its fit")
            assert page.inner_text("[data-field=temperature-value]") not in ("", "–")


def test_the_page_comes_back_when_its_server_does(chrome, run):
    with monitored(run, "--port", free_port()) as url:
        page_of = page_at(chrome, url)
        page = page_of.__enter__()
        until(lambda: counters(page)["frames"] >= 1, "frames")
    port = url.split(":")[2].strip("/")
    until(lambda: page.is_visible("#line-banner"), "a banner that the line is lost")
    with monitored(run, "--port", port):
        until(lambda: counters(page)["reconnects"] == 1, "a connection")
        before = counters(page)["frames"]
        until(lambda: counters(page)["frames"] > before, "frames again")
        assert page.is_hidden("#line-banner")
    page_of.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("size", "scheme"),
    [
        pytest.param((390, 844), "dark", marks=pytest.mark.slow),
        pytest.param((1440, 900), "light", marks=pytest.mark.slow),
        pytest.param((3840, 2160), "dark", marks=pytest.mark.slow),
    ],
)
def test_it_fits_every_screen(chrome, run, tmp_path, size, scheme):
    width, height = size
    options = {"viewport": {"width": width, "height": height}, "color_scheme": scheme}
    with monitored(run, "--port", free_port()) as url, page_at(chrome, url, **options) as page:
        until(lambda: counters(page)["frames"] >= 2, "frames")
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
        keep(page, tmp_path, f"{width}_{scheme}")


def test_views_share_how_lengths_are_written_and_the_colours_of_the_theme(chrome, tmp_path):
    lengths = "async () => [0.5, 200, 2000].map((await import('/static/format.js')).lengthText)"
    colours = "async () => (await import('/static/parts.js')).colours(document.body)"
    with monitored(tmp_path, "--port", free_port()) as url, page_at(chrome, url) as page:
        assert page.evaluate(lengths) == ["0.5 nm", "200 nm", "2 µm"]
        before = page.evaluate(colours)
        assert all(colour.startswith("#") for colour in before.values())
        page.click("#theme")
        assert all(colour != before[name] for name, colour in page.evaluate(colours).items())
        assert page.said == []


def test_commands_need_the_token_and_a_typed_word_and_then_the_run_obeys(chrome, run, tmp_path):
    client = RunClient(run)
    with monitored(run, "--port", free_port(), "--control") as url:
        bare = url.partition("#")[0]
        with page_at(chrome, bare) as page:
            until(lambda: counters(page)["paints"] >= 2, "a page")
            assert page.is_hidden("#control")
        with page_at(chrome, url) as page:
            page.wait_for_selector("#control button:not([disabled])")
            assert "token" not in page.url
            page.click("#control >> text=pause")
            until(lambda: client.status()["state"] == "paused", "a pause")
            until(lambda: page.inner_text("[data-field=badge]") == "paused", "the pause on the page")
            page.click("#control >> text=resume")
            until(lambda: client.status()["state"] == "running", "the run goes on")
            page.click("#control >> text=stop")
            page.wait_for_selector("dialog[open]")
            assert page.is_disabled("#confirm-yes")
            page.fill("#confirm-input", "stop")
            page.click("#confirm-yes")
            until(lambda: page.inner_text("[data-field=badge]") == "stopped", "the end")
            until(lambda: "ended" in page.inner_text("#life-banner"), "a banner of the end")
            keep(page, tmp_path, "ended")
    commands = [record for record in read_journal(run / "journal.jsonl") if record["kind"] == "command"]
    assert [one["command"] for one in commands][-3:] == ["pause", "resume", "stop"]
