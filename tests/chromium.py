"""A real browser for tests and benchmarks: Debian's chromium, without a window."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")


def chromium() -> str | None:
    """Return the path of the browser, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def browser() -> Iterator[Any]:
    """Give a running browser; its pages are `browser.new_page()`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=[*ARGUMENTS])
        yield running
        running.close()


@contextmanager
def page_at(running: Any, url: str, **options: Any) -> Iterator[Any]:
    """Give a page at an address, and note what it asks for and complains about.

    ``page.asked`` are the addresses, ``page.said`` what it wrote to its console as warnings and errors.
    """
    page = running.new_page(**options)
    page.asked, page.said = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("websocket", lambda line: page.asked.append(line.url))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on(
        "console", lambda line: page.said.append(line.text) if line.type in ("error", "warning") else None
    )
    page.goto(url)
    yield page
    page.close()
