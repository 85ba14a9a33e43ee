"""The checker of the fault suite sees each kind of damage: a check that cannot fail proves nothing."""

import ast
import json
import shutil
import sys
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from faults.checker import INVARIANTS, Circumstances, check_run
from faults.evidence import Evidence
from faults.files import journal, log_rows, read_hold
from faults.recompute import differences
from small_records import NAME, NUMBERS, complete_run, crashed_run, flip, log_of

PARTS = ("files", "checker", "evidence", "recompute", "heater", "lateness")
KNOWN = ("faults", "h5py", "numpy", "zlib")


@pytest.fixture(scope="module")
def good_run(tmp_path_factory):
    return complete_run(tmp_path_factory.mktemp("good") / "run").path


@pytest.fixture
def run(good_run, tmp_path):
    """A copy of a good run, to be damaged."""
    return Path(shutil.copytree(good_run, tmp_path / "run"))


def broken(run, **known):
    return {violation.invariant for violation in check_run(run, Circumstances(**known))}


def rewrite_journal(run, change):
    """Change the list of records, and write them with numbers and checksums that hold."""
    path = run / "journal.jsonl"
    records = change([{k: v for k, v in r.items() if k != "crc"} for r in journal(path)])
    bodies = [json.dumps(record | {"n": n}) for n, record in enumerate(records)]
    lines = [f'{body[:-1]}, "crc": "{zlib.crc32(body.encode()):08x}"}}\n' for body in bodies]
    path.write_text("".join(lines), encoding="utf-8")


def change_readings(**values):
    """Return a change of the tenth reading."""

    def change(records):
        tenth = [record for record in records if record["kind"] == "reading"][9]
        tenth.update(values)
        return records

    return change


def change_column(run, name, row, value):
    with h5py.File(run / "holds" / f"{NAME}.nxs", "r+") as file:
        file[f"entry/instrument/detector/{name}"][row] = value


def frames_seen(run):
    return {(NAME, row.seq): row.crc32 for row in read_hold(run, NAME).frames}


# ---------------------------------------------------------------------- what is whole


def test_a_good_run_has_no_violation(run):
    assert check_run(run, Circumstances(seen=frames_seen(run))) == []
    assert [row.seq for row in read_hold(run, NAME).frames] == NUMBERS


def test_a_crashed_run_is_read_from_its_logs(tmp_path):
    crashed = crashed_run(tmp_path / "run", restarts=2)
    assert [row.seq for row in read_hold(crashed.path, NAME).frames] == NUMBERS
    assert broken(crashed.path, deaths=1) == {"clean", "ends", "once"}  # never closed, never ended


def test_the_checker_shares_nothing_with_the_program():
    """Of the standard library and of what stands here only; and nothing is imported by its name."""
    for part in PARTS:
        tree = ast.parse((Path(__file__).parent / "faults" / f"{part}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            tops = {name.partition(".")[0] for name in names}
            assert tops <= {*KNOWN, *sys.stdlib_module_names}
            assert "importlib" not in tops
            assert not (isinstance(node, ast.Name) and node.id in ("__import__", "exec", "eval"))


# ---------------------------------------------------------------------- what is damaged


@pytest.mark.parametrize("kelvin", [9000.0, 0.0, float("nan")])
def test_heat_a_temperature_beyond_the_envelope(run, kelvin):
    rewrite_journal(run, change_readings(temperature_K=kelvin))
    assert broken(run) == {"heat"}


def test_heat_a_setpoint_that_rises_too_fast(run):
    rewrite_journal(run, change_readings(setpoint_K=400.0))
    assert broken(run) == {"heat"}


def test_kept_pixels_that_changed(run):
    change_column(run, "data", 7, np.zeros((24, 20), np.uint16))
    assert broken(run) == {"kept"}


def test_kept_a_header_that_changed(run):
    change_column(run, "count_time", 7, 3.0)
    assert broken(run) == {"kept"}


def test_kept_an_acknowledged_frame_that_is_called_lost_afterwards(run):
    """The last frame is gone and said to be lost: the account is right, and the promise broken."""
    with h5py.File(run / "holds" / f"{NAME}.nxs", "r+") as file:
        detector = file["entry/instrument/detector"]
        for column in detector.values():
            if isinstance(column, h5py.Dataset) and len(column.shape) and len(column) == len(NUMBERS):
                column.resize(len(NUMBERS) - 1, axis=0)
        for name, value in (("first_seq", NUMBERS[-1]), ("frames", 1), ("reason", "crash"), ("time", 0.0)):
            detector[f"lost/{name}"].resize(2, axis=0)
            detector[f"lost/{name}"][1] = value
    rewrite_journal(run, lambda records: [_recount(record) for record in records])
    assert broken(run) == {"kept"}


def _recount(record):
    changed = {"frames": record["frames"] - 1, "lost": record["lost"] + 1} if "lost" in record else {}
    return record | (changed if record["kind"] == "hold_closed" else {})


def test_kept_a_file_that_does_not_open(run):
    (run / "holds" / f"{NAME}.nxs").write_bytes(b"nothing")
    assert broken(run) >= {"kept", "once"}


@pytest.mark.parametrize(("name", "value"), [("first_seq", 9), ("first_seq", 11), ("frames", 1)])
def test_once_numbers_that_are_twice_or_nowhere(run, name, value):
    with h5py.File(run / "holds" / f"{NAME}.nxs", "r+") as file:
        file[f"entry/instrument/detector/lost/{name}"][0] = value
    assert "once" in broken(run)


def test_once_a_loss_without_a_reason(run):
    with h5py.File(run / "holds" / f"{NAME}.nxs", "r+") as file:
        file["entry/instrument/detector/lost/reason"][0] = " "
    assert broken(run) == {"once"}


def test_once_a_hold_that_was_never_closed(run):
    with h5py.File(run / "holds" / f"{NAME}.nxs", "r+") as file:
        del file["entry/end_time"]
    assert broken(run) == {"once"}


def test_once_a_hold_that_is_gone(run):
    (run / "holds" / f"{NAME}.nxs").unlink()
    assert broken(run) >= {"once", "kept"}


@pytest.mark.parametrize(
    "change",
    [
        lambda records: records[1:],
        lambda records: [*records, records[-1]],
        lambda records: [*records, {"kind": "phase", "t_s": 100.0}],
        lambda records: records[:-1],
        lambda records: [*records[:5], records[0], *records[5:]],
    ],
)
def test_ends_that_are_missing_or_too_many(run, change):
    rewrite_journal(run, change)
    assert "ends" in broken(run)


def test_ends_a_life_without_an_end_only_when_it_was_killed(run):
    rewrite_journal(
        run, lambda records: [*records[:20], {"kind": "run_continued", "t_s": -1.0}, *records[20:]]
    )
    assert broken(run) == {"ends"}
    assert broken(run, deaths=1) == set()


def test_ends_a_journal_that_is_damaged(run):
    flip(run / "journal.jsonl", 300)
    assert "ends" in broken(run)


@pytest.mark.parametrize(
    "name", ["live.json", "holds/x.nxs.tmp", f"holds/{NAME}.001.frames", "plan.json.tmp"]
)
def test_clean_no_file_is_left_over(run, name):
    (run / name).write_text("{}", encoding="utf-8")
    assert broken(run) == {"clean"}


def test_clean_no_process_is_left_over(run):
    assert broken(run, processes=["python -m recorder"]) == {"clean"}


def test_gaps_a_slot_that_hides_a_break(run):
    change_column(run, "slot", 30, 99)
    assert "gaps" in broken(run)


def test_gaps_a_segment_that_goes_over_a_break(run):
    with h5py.File(run / "holds" / f"{NAME}.nxs", "r+") as file:
        file["entry/instrument/detector/segment"][...] = 0
    assert "gaps" in broken(run)


def test_gaps_a_segment_that_goes_over_the_death_of_the_program(run):
    rewrite_journal(
        run, lambda records: [*records[:20], {"kind": "run_continued", "t_s": 9.0}, *records[20:]]
    )
    assert broken(run, deaths=1) == {"gaps"}


@pytest.mark.parametrize(
    ("place", "crc"), [((NAME, 3), 1), ((NAME, 10), 1), ((NAME, 44), 1), (("other", 0), 1)]
)
def test_raw_what_was_seen_in_a_log_is_there_unchanged(run, place, crc):
    assert broken(run, seen=frames_seen(run) | {place: crc}) == {"raw"}


def test_same_a_result_that_differs_in_the_last_bit(tmp_path):
    with h5py.File(tmp_path / "a.nxs", "w") as file:
        file["entry/g2/pixel"] = np.array([1.0, np.nan, 2.0])
        file.create_group("entry/kww").attrs["tau_s"] = 100.0
    shutil.copy(tmp_path / "a.nxs", tmp_path / "b.nxs")
    assert differences(tmp_path / "a.nxs", tmp_path / "b.nxs", ["g2", "kww"]) == []
    with h5py.File(tmp_path / "b.nxs", "r+") as file:
        file["entry/g2/pixel"][2] = np.nextafter(2.0, 3.0)
        file["entry/kww"].attrs["tau_s"] = np.nextafter(100.0, 0.0)
    assert differences(tmp_path / "a.nxs", tmp_path / "b.nxs", ["g2", "kww"]) == ["g2/pixel", "kww@tau_s"]


# ---------------------------------------------------------------------- evidence


def test_evidence_outlives_the_log_and_is_not_changed_with_it(tmp_path):
    run = crashed_run(tmp_path / "run")
    rows = {(NAME, row.seq): row.crc32 for row in log_rows(log_of(run))}
    evidence = Evidence(run.path, tmp_path / "evidence")
    assert evidence.look() == rows
    flip(log_of(run), -10)
    log_of(run).unlink()
    assert evidence.end() == rows
    assert evidence.frames_in_log() == len(NUMBERS)


def test_every_invariant_is_damaged_here():
    names = [name.split("_")[1] for name in globals() if name.startswith("test_")]
    assert set(INVARIANTS) <= set(names)
