"""The page of the monitor holds together: what it refers to is there, and nothing needs another site."""

import re
from importlib import resources

import pytest

STATIC = resources.files("annealscope.controller.monitor") / "static"
FILES = {file.name: file for file in STATIC.iterdir()}
PAGE = (STATIC / "index.html").read_text(encoding="utf-8")
OUR_OWN = sorted(name for name in FILES if name.endswith((".js", ".css")) and not name.startswith("uPlot"))


def text_of(name: str) -> str:
    """Return a file of the page."""
    return FILES[name].read_text(encoding="utf-8")


def test_every_file_the_page_asks_for_is_there() -> None:
    """The page's scripts, style sheets and icon."""
    asked = re.findall(r'(?:src|href)="([^"]+)"', PAGE)
    assert asked
    assert all(url.startswith("/static/") and url.removeprefix("/static/") in FILES for url in asked)


@pytest.mark.parametrize("name", [name for name in OUR_OWN if name.endswith(".js")])
def test_every_import_finds_what_it_names(name: str) -> None:
    """A browser would show nothing at all after one wrong name; what is not used is not imported."""
    imports = r'import \{([^}]+)\} from "\./([^"]+)";'
    used = set(re.findall(r"\w+", re.sub(imports, "", text_of(name))))
    for names, source in re.findall(imports, text_of(name)):
        exported = set(re.findall(r"export (?:async )?(?:function|const|class) (\w+)", text_of(source)))
        asked = {one.split(" as ")[0].strip(): one.split(" as ")[-1].strip() for one in names.split(",")}
        assert set(asked) <= exported, f"{name} asks {source} for {set(asked) - exported}"
        assert set(asked.values()) <= used, f"{name} does not use {set(asked.values()) - used}"


def test_the_security_policy_lets_everything_through() -> None:
    """No script, style or handler stands in the page itself: the policy forbids it."""
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", PAGE)
    for name in OUR_OWN:
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text_of(name)
        ), name


def test_nothing_comes_from_another_site() -> None:
    """A microscope computer has no way to the internet."""
    for text in (PAGE, *map(text_of, OUR_OWN)):
        assert set(re.findall(r"https?://[\w./]+", text)) <= {"http://www.w3.org/2000/svg"}


def test_scripts_find_their_elements() -> None:
    """Every id that a script asks for is in the page, once, and every field is filled by somebody."""
    ids = re.findall(r'\sid="([^"]+)"', PAGE)
    assert len(ids) == len(set(ids))
    asked = set(re.findall(r'get\("([^"]+)"\)', text_of("main.js")))
    assert asked
    assert asked <= set(ids)


def test_every_field_is_filled() -> None:
    """A field of the page that no card names would stay empty for ever."""
    scripts = text_of("cards.js") + text_of("tiles.js")
    tiles = re.findall(r'named\("(\w+)"', scripts)
    named = {f"{tile}-{part}" for tile in tiles for part in ("title", "value", "unit", "share", "sub")}
    fields = set(re.findall(r'data-field="([^"]+)"', PAGE))
    assert len(named) == 30
    assert {field for field in fields - named if not re.search(rf'\b{field}\b"?[:, ]', scripts)} == set()


def test_keys_of_the_help_are_there() -> None:
    """What the help promises some element does."""
    promised = set(re.findall(r"<kbd>(\w|\?)</kbd>", PAGE)) | {"2", "3"}  # the help says: 1 - 4
    given = set(re.findall(r'aria-keyshortcuts="([^"]+)"', PAGE)) | set(
        re.findall(r'button\("[^"]+", "(\w)"', text_of("frame.js"))
    )
    assert promised == given
