"""What follows from several acquisitions of a run: tables against temperature, dose, comparisons."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack

import numpy as np

from annealscope.analysis.values import Result, Results
from annealscope.controller.journal import read_journal
from annealscope.controller.offline.crosshold_patterns import pattern_results
from annealscope.controller.offline.dose_series import BELIEVED, dose_series_results
from annealscope.controller.offline.tables import ByTemperature
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.holdresults import HoldResults
from annealscope.controller.record.runfolder import RunFolder, save_run_file
from annealscope.controller.stream.wire import results_to_entries


def write_run_file(run: RunFolder) -> None:
    """Write ``run.nxs`` afresh, with everything that follows from the holds as they are now.

    Raises
    ------
    OSError, RecordError
        It cannot be written; the old one is as it was.
    """
    save_run_file(run, results_to_entries(cross_hold_results(run)))


def cross_hold_results(run: RunFolder) -> Results:
    """Return what follows from several holds of a run, by path below ``/entry`` of ``run.nxs``.

    Holds that cannot be read, and results that are missing, are left out.
    """
    with ExitStack() as stack:
        holds = [stack.enter_context(hold) for hold in _readable(run)]
        return tau_of_T(holds) | dose_series_results(holds) | pattern_results(holds) | dose_table(run)


def tau_of_T(holds: Iterable[HoldResults]) -> Results:
    """Tabulate the relaxation times of all estimators against the measured temperature."""
    relaxing = [hold for hold in holds if _estimators(hold)]
    if not relaxing:
        return {}
    table = ByTemperature("tau_of_T", relaxing)
    found = {name for hold in relaxing for name in _estimators(hold)}
    estimators = sorted(found, key=lambda name: (name != BELIEVED, name))
    for name in estimators:
        column = "tau_s" if name == estimators[0] else f"tau_s_{name}"
        long_name = f"{name} relaxation time"
        table.add(column, _fitted(name, "tau_s"), "s", long_name=long_name)
        table.add(f"{column}_errors", _fitted(name, "sigma_tau_s"), "s", long_name=f"{long_name} errors")
    table.add("beta", _fitted(BELIEVED, "beta"))
    table.add("beta_errors", _fitted(BELIEVED, "sigma_beta"))
    flags = np.array([int(hold.attrs(f"kww/{BELIEVED}").get("flags", 0)) for hold in table.holds], np.uint16)
    remark = f"flags of the {BELIEVED} fit; 0: nothing found against it"
    results = table.results("tau_s", [f"tau_s_{name}" for name in estimators[1:]])
    return results | {"tau_of_T/flags": Result(flags, attrs={"long_name": remark})}


def dose_table(run: RunFolder) -> Results:
    """Tabulate what every region of the specimen has seen in the end, from the journal."""
    totals = {
        int(record["region"]): record
        for record in read_journal(run.journal)
        if record["kind"] == "dose" and record.get("region") is not None
    }
    if not totals:
        return {}
    rows = [totals[region] for region in sorted(totals)]
    doses = {
        f"dose/{name}": Result(np.array([row.get(name, np.nan) for row in rows], float), "1/nm^2")
        for name in ("exposed_per_nm2", "beam_on_per_nm2")
    }
    return {
        "dose": Result(None, attrs={"signal": "exposed_per_nm2", "axes": ["region"]}),
        "dose/region": Result(np.array(sorted(totals), np.int64)),
        **doses,
    }


def _readable(run: RunFolder) -> Iterator[HoldResults]:
    for hold in run.holds():
        try:
            yield HoldResults(hold.path)
        except RecordError:
            continue


def _estimators(hold: HoldResults) -> list[str]:
    return [name for name in hold.names("kww") if "tau_s" in hold.attrs(f"kww/{name}")]


def _fitted(estimator: str, number: str) -> Callable[[HoldResults], float]:
    return lambda hold: float(hold.attrs(f"kww/{estimator}").get(number, np.nan))
