"""One table of what a run of the fault suite has found, and its place in the documentation."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Lines = Sequence[dict[str, Any]]
BEGIN, END = "<!-- scoreboard -->", "<!-- end of scoreboard -->"


def scoreboard(lines: Lines) -> str:
    """Return the table, from the lines that the suite prints."""
    rows = [*_matrix(lines), *_kills(lines), *_soaks(lines)]
    table = "\n".join(f"| {what} | {figure} |" for what, figure in rows)
    return f"| | measured, {os.cpu_count()} cores |\n|---|---|\n{table}"


def write_scoreboard(page: Path, lines: Lines) -> None:
    """Put the table between the markers of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    text = f"{before}{BEGIN}\n{scoreboard(lines)}\n{END}{after}"
    page.write_text(text, encoding="utf-8")


def _matrix(lines: Lines) -> list[tuple[str, str]]:
    cells = [line for line in lines if "cell" in line and "passed" in line]
    skipped = sorted(f"{line['cell']}: {line['skipped']}" for line in lines if "skipped" in line)
    rows = [
        ("cells of the kill matrix that hold", f"{sum(cell['passed'] for cell in cells)} of {len(cells)}")
    ]
    rows += [("not run", "; ".join(skipped))] if skipped else []
    for what, blow in (("killed", "KILL"), ("stopped, lease 3 s", "STOP")):
        froze_s = [
            cell["froze_after_s"] for cell in cells if blow in cell["cell"] and "froze_after_s" in cell
        ]
        if froze_s:
            figure = f"{min(froze_s):.3f} to {max(froze_s):.3f} s, {len(froze_s)} times"
            rows.append((f"freeze of the heater after its controller was {what}", figure))
    return rows if cells or skipped else []


def _kills(lines: Lines) -> list[tuple[str, str]]:
    cases = [line for line in lines if "controller" in line and "lost" in line]
    if not cases:
        return []
    counts = {role: sum(case[role] for case in cases) for role in ("recorder", "analyst", "controller")}
    who = ", ".join(f"{role} {count}" for role, count in counts.items())
    frames, lost = sum(case["frames"] for case in cases), sum(case["lost"] for case in cases)
    return [
        ("kills at random moments", f"{sum(counts.values())} ({who}) in {len(cases)} runs"),
        ("frames that were on the disk then and are not in the record as they were", f"{lost} of {frames}"),
        ("runs in which every invariant holds", f"{sum(case['passed'] for case in cases)} of {len(cases)}"),
    ]


def _soaks(lines: Lines) -> list[tuple[str, str]]:
    rows = []
    for line in lines:
        if "rss_MiB_per_h" in line:
            held = "all invariants hold" if line["passed"] else f"violated: {'; '.join(line['why'])}"
            rows += [
                (
                    f"{line['case']}: faults; frames lost",
                    f"{line['faults']}; {line['lost']} of {line['frames']}; {held}",
                ),
                ("growth of the controller in it", f"{line['rss_MiB_per_h']} MiB/h over {line['over_h']} h"),
                ("open files of it", "{} to {}".format(*line["descriptors"])),
            ]
    return rows
