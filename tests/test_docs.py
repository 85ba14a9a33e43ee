"""What the documentation shows can be done."""

import re
from pathlib import Path

import pytest
import typer
from small_run import write_inputs

from annealscope.controller.cli.app import app

REPOSITORY = Path(__file__).parent.parent


def _python_blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (REPOSITORY / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_python_example_runs(tmp_path, monkeypatch, capsys):
    (example,) = _python_blocks("docs/running.md")
    protocol, rig = write_inputs(tmp_path, 40)
    monkeypatch.chdir(tmp_path)
    exec(example.replace('"quick_look"', f"{str(protocol)!r}, rig={str(rig)!r}"), {})  # noqa: S102
    assert "01_ecm_100C closed" in capsys.readouterr().out


@pytest.mark.parametrize(
    "page", ["README.md", *(str(p.relative_to(REPOSITORY)) for p in REPOSITORY.glob("docs/*.md"))]
)
def test_links_lead_somewhere(page):
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    missing = [link for link in links if not ((REPOSITORY / page).parent / link).exists()]
    assert not missing


def test_the_readme_names_every_command():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    table = " ".join(line for line in text.splitlines() if line.startswith("| `annealscope"))
    names = set(typer.main.get_command(app).commands)
    assert names == {name for name in names if re.search(rf"`(annealscope )?{name}\b", table)}


def test_the_readme_has_both_commands():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for marker in ("quick-look-command", "test-command"):
        assert re.search(rf"<!-- {marker} -->\n```\n[^`]+```", text)
