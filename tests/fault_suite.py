"""The whole fault suite by one command: ``python tests/fault_suite.py``.

Runs the kill matrix, kills at random moments and the soak; prints one JSON line for each case, and a table in
the end. A case that cannot run here is named with the reason. Exit code 1 when something did not hold.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from faults.cells import Series, all_series, run_series
from faults.kills import cases
from faults.scoreboard import scoreboard, write_scoreboard
from faults.soak import run_soak

Line = dict[str, object]


def main() -> int:
    """Run what was asked for; return the exit code."""
    chosen = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="faults-", dir=chosen.folder))
    _tell({"folder": str(folder), "what": "runs that did not hold stay here"})
    lines: list[Line] = []
    for line in _all(chosen, folder):
        _tell(line)
        lines.append(line)
    print(scoreboard(lines))
    if chosen.write:
        write_scoreboard(Path(chosen.write), lines)
    return 1 if any(line.get("passed") is False for line in lines) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--only", default="", help="series of the matrix whose names have this in them")
    parser.add_argument("--kills", type=int, default=500, help="kills at random moments")
    parser.add_argument("--hours", type=float, default=72.0, help="of the soak, on its own clock")
    parser.add_argument("--seed", type=int, default=1, help="of kills and soak")
    parser.add_argument("--workers", type=int, default=2, help="runs at the same time")
    parser.add_argument("--folder", help="where the runs are")
    parser.add_argument("--write", metavar="PAGE", help="put the table into this page, e.g. docs/faults.md")
    return parser.parse_args()


def _all(chosen: argparse.Namespace, folder: Path) -> Iterator[Line]:
    yield from _matrix(folder, chosen.only, chosen.workers)
    if chosen.kills:
        yield from _kills(folder, chosen.seed, chosen.kills, chosen.workers)
    if chosen.hours:
        yield run_soak(folder / "soak", chosen.hours, chosen.seed).line()


def _matrix(folder: Path, only: str, workers: int) -> Iterator[Line]:
    """Run the kill matrix, some series at the same time."""
    series = [one for one in all_series() if only in one.name]
    with ThreadPoolExecutor(workers) as pool:
        for lines in pool.map(lambda one: _cells(one, folder / one.name.replace(" ", "_")), series):
            yield from lines


def _cells(series: Series, folder: Path) -> list[Line]:
    if series.why_not:
        return [{"cell": series.name, "skipped": series.why_not}]
    return [cell.line() for cell in run_series(series, folder)]


def _kills(folder: Path, seed: int, kills: int, workers: int) -> Iterator[Line]:
    """Run case after case until there were as many kills as asked for, some at the same time."""
    done = 0
    sources = [cases(folder, 100 * seed + worker) for worker in range(workers)]
    following: Callable[[Iterator], Line] = lambda source: next(source).line()  # noqa: E731 - for the pool
    with ThreadPoolExecutor(workers) as pool:
        while done < kills:
            for line in pool.map(following, sources):
                done += int(str(line["kills"]))
                yield line


def _tell(line: Line) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
