"""No module knows what it is to find: the numbers that records are known to give stand in no source."""

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent

TRUE_TAU_S = {485, 734, 743, 886, 892, 905, 973, 1023, 1585}
"""What relaxation times are, as published or as simulated."""

SEEN_TAU_S = {
    *(418, 422, 599, 607, 710, 722, 797, 814, 1059, 1093, 693, 704, 770, 776),
    *(483, 736, 877, 1010, 1543, 880, 887, 409, 689, 1045, 666, 759, 958),
    *(490, 636, 744, 898, 904, 790, 825, 581, 592, 999, 1049, 1190, 1253, 1451, 1562, 3891, 6204),
}
"""What biased estimators make of them, and what corrects for that."""

OTHERWISE = {"analysis/kww_kernel.py": {1023}}
"""Numbers that mean something else: the exponent bias of a double."""


def numbers(tree: ast.AST) -> set[float]:
    """Return the size of every number in a piece of source."""
    values = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {abs(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)}


def told(tree: ast.AST) -> set[float]:
    return numbers(tree) & (TRUE_TAU_S | SEEN_TAU_S)


def test_no_relaxation_time_is_written_into_the_program():
    packages = ("analysis", "controller", "drivers", "simulators")
    paths = [path for package in packages for path in (REPOSITORY / package).rglob("*.py")]
    found = {
        path.relative_to(REPOSITORY).as_posix(): told(ast.parse(path.read_text(encoding="utf-8")))
        for path in paths
    }
    assert len(found) > 200
    assert not {name: times for name, times in found.items() if times - OTHERWISE.get(name, set())}


@pytest.mark.parametrize("source", ["tau_s = 485", "x = {'a': -886.0}", "f(892.0)", "T = (1, 693)"])
def test_a_number_that_was_told_is_found(source):
    assert told(ast.parse(source))


@pytest.mark.parametrize("source", ["tau_s = 48.5", "'485 s'", "x485 = True", "n = 1024"])
def test_others_are_not(source):
    assert not told(ast.parse(source))
