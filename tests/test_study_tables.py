"""Numbers of a study that follow from several runs, and the bias of the estimator of the paper."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from annealscope.controller.report.paper import load_paper
from annealscope.controller.report.study import on_paper
from annealscope.controller.report.study.needs import Need
from annealscope.controller.report.study.numbers_table import Number, numbers, relative_change, table_numbers
from annealscope.controller.report.study.page import tables
from annealscope.controller.report.study.relaxation_table import (
    BETA,
    TAU,
    biased,
    failed_cells,
    line_cells,
    lines,
    unbiased,
)
from annealscope.controller.report.study.summary import RoleSummary, StudySummary
from annealscope.controller.report.summary import Fit, HoldSummary, Truth
from annealscope.controller.report.summary_run import ProbeSeries, RunSummary
from annealscope.controller.units import ZERO_CELSIUS_K

R_NM = np.array([0.8, 0.91, 1.3, 1.9, 2.5])


def hold(tau_s: float = 700.0, **changes: object) -> HoldSummary:
    known = {
        "setpoint_K": 25 + ZERO_CELSIUS_K, "segment_slots": (2800,), "period_s": 5.0, "material": "AMZ4",
        "fits": {"corrected": Fit(tau_s, 0.73, 0.1, 0.0, 20.0, 0.01), "pixel": Fit(560.0, 0.8)},
    }  # fmt: skip
    return HoldSummary(1, "01_ecm_25C", **(known | changes))  # type: ignore[arg-type]


def series(V: np.ndarray, thickness: float, sigma: float = 0.002) -> ProbeSeries:
    return ProbeSeries(R_NM**-2, V, np.full(V.shape, sigma), {"scaled_to_thickness": thickness})


def test_the_bias_is_undone_where_the_record_is_long_enough():
    seen = biased(hold(), 900.0, 0.65)
    assert seen is not None
    assert seen.tau_s < 900
    undone = unbiased(hold(), seen.tau_s, seen.beta)
    assert undone is not None
    assert undone.tau_s == pytest.approx(900, rel=2e-3)
    assert undone.beta == pytest.approx(0.65, abs=2e-3)
    assert unbiased(hold(), 1585.0, 0.74) is None  # fewer than four relaxation times
    assert biased(hold(segment_slots=(2,)), 900.0, 0.65) is None


def test_a_line_has_paper_and_truth_only_where_there_are_any():
    paper = load_paper()
    (simulated,) = lines([hold(truth=Truth(720.0, 0.71))], paper)
    assert simulated.published is not None
    assert simulated.published.tau_s == 734
    names = [name for name, _ in line_cells(simulated, TAU, simulated=True, paper=True)]
    cells = dict(line_cells(simulated, TAU, simulated=True, paper=True))
    assert cells["Truth"].value == 720
    assert cells["Paper"].text == "734 s"
    assert cells["Per pixel: the paper's estimator"].text == "560 s"  # its error would say nothing
    (real,) = lines([hold()], None)
    bare = [name for name, _ in line_cells(real, BETA, simulated=False, paper=False)]
    assert set(names) - set(bare) == {
        "Truth",
        "Verdict",
        "expected of the truth",
        "Paper",
        "Paper, bias undone",
    }


def test_the_change_by_the_anneal_is_that_at_one_thickness():
    V = 0.15 * np.exp(-(np.log(R_NM / 1.3) ** 2))
    before, after = series(V, 0.65), series(1.04 * V * 0.65 / 0.70, 0.70)
    change, sigma = relative_change(before, after)
    assert change == pytest.approx(0.04, abs=1e-9)
    each = 1.04 * np.hypot(0.002 / V, 0.002 / (V * 1.04 * 0.65 / 0.70))
    assert sigma == pytest.approx((1 / each**2).sum() ** -0.5)
    elsewhere = ProbeSeries(np.array([9.0]), np.array([0.1]))
    assert np.isnan(relative_change(before, elsewhere)).all()


def test_numbers_stand_beside_the_papers_with_what_sets_them_apart():
    line = {"length_nm": 1.42, "sigma_length_nm": 0.03, "probes_nm": R_NM[2:]}
    run = RunSummary(
        Path("a"), "a", "success", holds=(hold(),), pair_persistence=(ProbeSeries(R_NM, R_NM, None, line),)
    )
    study = StudySummary("s", "", {"as_cast_fem": RoleSummary("as_cast_fem", Path("a"), run=run)})
    (found,) = numbers(study)
    assert study.paper is study.paper  # read once
    assert found.published == (1.39, 0.05)
    assert found.apart == pytest.approx(0.03 / np.hypot(0.03, 0.05))
    header, rows = table_numbers([found, Number("1", "x", "y", "", 1.0, 0.1)])
    assert [len(row) for row in rows] == [len(header)] * 2


def test_what_is_beyond_the_tolerance_is_named_on_paper_too(monkeypatch):
    speckles = SimpleNamespace(n_speckles=563.0)
    good, bad = (hold(truth=Truth(tau_s, 0.73), correlation=speckles) for tau_s in (700.0, 2000.0))
    roles = {
        name: RoleSummary(name, Path(name), run=RunSummary(Path(name), name, "success", holds=(each,)))
        for name, each in (("as_cast_ecm", good), ("in_situ", bad))
    }
    study = StudySummary("s", "", roles)
    (found,) = failed_cells(study)
    assert found[0][1].text == "in_situ"
    sections = []
    monkeypatch.setattr(on_paper, "write_pdf", lambda path, cover, given: sections.extend(given))
    on_paper.write_paper(Path("study.pdf"), study, tables(study, [], []), [])
    assert "Beyond the tolerance" in [section.heading for section in sections]
    assert not failed_cells(StudySummary("s", "", {"as_cast_ecm": roles["as_cast_ecm"]}))


def test_a_need_names_the_hold_without_it():
    whole, empty = hold(), hold(fits={})
    run = RunSummary(Path("a"), "a", "parked", holds=(whole, empty))
    role = RoleSummary("in_situ", Path("a"), run=run)
    study = StudySummary("s", "", {"in_situ": role})
    need = Need(("in_situ", "as_cast_ecm"), "times", "ecm", lambda each: each.fits)
    assert need.met(study)
    assert list(need.lacking(study)) == [
        "in_situ: 01_ecm_25C has no times. `annealscope analyze a` computes what its frames hold.",
        "The study has no as_cast_ecm.",
    ]
