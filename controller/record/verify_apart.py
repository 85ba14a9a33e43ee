"""`verify` with a process for each hold: HDF5 itself may crash on a damaged file, and every core takes part.

Run as ``python -m annealscope.controller.record.verify_apart HOLD``: prints what was found as one JSON line.
"""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from annealscope.controller.record.findings import Finding
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.runfolder import open_run
from annealscope.controller.record.verify import check_run, verify

CHILD = ("-m", "annealscope.controller.record.verify_apart")


def verify_apart(path: Path) -> list[Finding]:
    """Check a run folder, or one hold, as `verify` does; a file that HDF5 crashes on becomes a finding.

    Raises
    ------
    RecordError
        It is neither.
    """
    if path.is_dir():
        return list(check_run(open_run(path), _check_apart))
    return list(_check_apart([path]))


def _check_apart(paths: Iterable[Path]) -> Iterator[Finding]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(_check, paths):
            yield from found


def _check(path: Path) -> list[Finding]:
    child = subprocess.run(
        [sys.executable, *CHILD, str(path)], capture_output=True, check=False, encoding="utf-8"
    )
    if child.returncode != 0:
        what = f"cannot be checked: reading it ends the program (exit code {child.returncode})"
        return [Finding(path, what, "damage")]
    answer = json.loads(child.stdout)
    if isinstance(answer, str):
        raise RecordError(answer)
    return [Finding(**{**finding, "path": Path(finding["path"])}) for finding in answer]


def main() -> None:
    """Check one hold; print its findings, or why it is none."""
    try:
        found = [dataclasses.asdict(finding) for finding in verify(Path(sys.argv[1]))]
        print(json.dumps(found, default=str))  # noqa: T201 - the parent reads it
    except RecordError as error:
        print(json.dumps(str(error)))  # noqa: T201


if __name__ == "__main__":
    main()
