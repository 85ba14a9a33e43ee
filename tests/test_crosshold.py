"""What follows from several holds of a run, read from ``run.nxs`` with plain h5py."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from record_samples import ecm_entries, entry, frame, open_hold

from annealscope.controller.journal import Journal
from annealscope.controller.offline.crosshold import cross_hold_results, write_run_file
from annealscope.controller.record.recording import HoldRecording
from annealscope.controller.record.runfolder import RunFolder, create
from annealscope.controller.stream.messages import Reading
from annealscope.drivers.clock import VirtualClock

K_PER_NM = 0.0284 * np.arange(40, 240)


def add_hold(
    run: RunFolder, hold: int, name: str, temperature_degC: float, entries: Any, **changes: Any
) -> None:
    """A closed hold of three frames that was half a degree too warm."""
    kelvin = temperature_degC + 273.15
    opening = open_hold(run.path, hold=hold, name=name, setpoint_K=kelvin, **changes)
    recording = HoldRecording(opening, "auto")
    for seq in range(3):
        recording.append(*frame(seq))
    recording.note(Reading(hold=hold, t_s=0.0, temperature_K=kelvin + 0.5, setpoint_K=kelvin))
    recording.end_frames()
    if entries:
        recording.write_results(entries)
    recording.close("complete")


def scan(
    run: RunFolder, hold: int, temperature_degC: float, probe_nm: float, V_max: float, **changes: Any
) -> None:
    peak = {"V_max": V_max, "sigma_V_max": 0.002, "height_above_base": 0.9 * V_max, "k_per_nm": 4.27}
    entries = [
        entry("fem", None, signal="V_corrected", axes=["k"]),
        entry("fem/k", K_PER_NM, "1/nm"),
        entry("fem/V_corrected", np.full(K_PER_NM.shape, V_max)),
        entry("fem/peaks/first", None, **peak, flags=0),
    ]
    name = f"{hold:02d}_fem"
    add_hold(run, hold, name, temperature_degC, entries, method="fem", probe_nm=probe_nm, **changes)


def rings(run: RunFolder, hold: int, temperature_degC: float, sharp: float, skip: int = 0) -> None:
    k = K_PER_NM[skip:]
    profile = 100 * np.exp(-k / 3) + 9 * np.exp(-(((k - 4.2) / 0.6) ** 2))
    profile += sharp * np.exp(-(((k - 4.8) / 0.05) ** 2))
    entries = [
        entry("diffraction", None, signal="I", axes=["k"]),
        entry("diffraction/k", k, "1/nm"),
        entry("diffraction/I", profile),
        entry("diffraction/sigma", 0.002 * profile),
    ]
    add_hold(run, hold, f"{hold:02d}_saed", temperature_degC, entries, method="diffraction")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return create(tmp_path / "run")


def test_tau_against_temperature(run: RunFolder) -> None:
    """The table follows the measured temperatures; holds without results are not in it."""
    flagged = ecm_entries(400.0)
    flagged[4][0].attrs["flags"] = 32
    add_hold(run, 1, "01_ecm_200C", 200.0, ecm_entries(50.0))
    add_hold(run, 2, "02_ecm_100C", 100.0, flagged)
    add_hold(run, 3, "03_ecm_150C", 150.0, None)
    run.hold_file("04_torn").write_bytes(b"torn")
    write_run_file(run)
    with h5py.File(run.run_file, "r") as file:
        whole = file["entry"]
        assert list(whole["holds"]) == ["01_ecm_200C", "02_ecm_100C", "03_ecm_150C", "04_torn"]
        table = whole[whole.attrs["default"]]
        assert table.attrs["NX_class"] == "NXdata"
        assert table[table.attrs["signal"]] == table["tau_s"]
        assert list(table["hold"].asstr()) == ["02_ecm_100C", "01_ecm_200C"]
        assert table["temperature"][()] == pytest.approx([100.5, 200.5])
        assert table["temperature"].attrs["units"] == "degC"
        np.testing.assert_array_equal(table["tau_s"], [400.0, 50.0])
        np.testing.assert_array_equal(table["tau_s_errors"], [2.0, 2.0])
        np.testing.assert_array_equal(table["beta"], [0.5, 0.5])
        np.testing.assert_array_equal(table["flags"], [32, 0])
        np.testing.assert_array_equal(table["tau_s_pixel"], [360.0, 45.0])
        np.testing.assert_array_equal(table["tau_s_pixel_errors"], [np.nan, np.nan])
        assert list(table.attrs["auxiliary_signals"]) == ["tau_s_pixel"]


def test_variance_against_temperature_is_of_one_probe_size(run: RunFolder) -> None:
    scan(run, 1, 150.0, 0.91, 0.146)
    scan(run, 2, 25.0, 0.91, 0.128)
    scan(run, 3, 25.0, 2.0, 0.155)
    write_run_file(run)
    with h5py.File(run.run_file, "r") as file:
        table = file["entry/V_of_T"]
        assert file["entry"].attrs["default"] == "V_of_T"
        assert table.attrs["NX_class"] == "NXdata"
        assert table["temperature"][()] == pytest.approx([25.5, 150.5])
        np.testing.assert_array_equal(table["V_max"], [0.128, 0.146])
        np.testing.assert_array_equal(table["V_max_errors"], [0.002, 0.002])
        np.testing.assert_array_equal(table["height"], [0.9 * 0.128, 0.9 * 0.146])
        assert np.isnan(table["k_errors"]).all()
        assert table["probe_nm"][()] == 0.91
        assert "fem" not in file["entry"]


def in_region(thickness: float) -> dict[str, Any]:
    return {"region": {"number": 1, "position_nm": [0.0, 0.0], "thickness": thickness}}


def test_variance_is_also_given_at_one_thickness(run: RunFolder) -> None:
    """V is inverse to the thickness: 0.14 at 0.6 and 0.12 at 0.7 mean free paths are the same structure."""
    scan(run, 1, 25.0, 0.91, 0.14, settings=in_region(0.6))
    scan(run, 2, 150.0, 0.91, 0.12, settings=in_region(0.7))
    write_run_file(run)
    with h5py.File(run.run_file, "r") as file:
        table = file["entry/V_of_T"]
        np.testing.assert_allclose(table["V_scaled"], 0.084 / 0.65)
        np.testing.assert_allclose(table["V_scaled_errors"], [0.002 * 0.6 / 0.65, 0.002 * 0.7 / 0.65])
        np.testing.assert_array_equal(table["V_max"], [0.14, 0.12])
        assert table["scaled_to_thickness"][()] == pytest.approx(0.65)


def test_a_probe_series_is_brought_to_one_thickness(run: RunFolder) -> None:
    for hold, R in enumerate(PROBES_NM, start=1):
        thickness = 0.6 + 0.02 * hold
        scan(run, hold, 25.0, R, line(R) * 0.69 / thickness, settings=in_region(thickness))
    write_run_file(run)
    with h5py.File(run.run_file, "r") as file:
        found = file["entry/fem/pair_persistence"].attrs
        assert found["scaled_to_thickness"] == pytest.approx(0.69)
        assert found["length_nm"] == pytest.approx(np.sqrt(M / C) / (2 * np.pi), rel=1e-6)


PROBES_NM = (0.8, 1.05, 1.3, 1.5, 1.9, 2.5, 3.5, 5.0)
M, C = 5.64, 0.074


def line(R: float) -> float:
    """V on the pair persistence line above 1.4 nm, with a maximum of V near 1.3 nm."""
    Q = 0.61 / R
    return Q**2 / (M * Q**2 + C) * np.exp(-((max(0.0, Q - 0.61 / 1.43) / 0.6) ** 2))


def test_probe_sizes_of_one_state_give_order(run: RunFolder) -> None:
    """Eight sizes before and four after annealing are two series; sizes are sorted, states are not mixed."""
    for hold, R in enumerate(reversed(PROBES_NM), start=1):
        scan(run, hold, 25.0, R, line(R))
    scan(run, 9, 150.0, 0.91, 0.14)
    for hold, R in enumerate(PROBES_NM[:4], start=10):
        scan(run, hold, 25.0, R, 1.03 * line(R))
    write_run_file(run)
    with h5py.File(run.run_file, "r") as file:
        fem = file["entry/fem"]
        plot, persistence = fem["stratton_voyles"], fem["pair_persistence"]
        np.testing.assert_allclose(plot["inverse_square"], np.array(PROBES_NM) ** -2.0)
        np.testing.assert_allclose(plot["V"], [line(R) for R in PROBES_NM])
        assert abs(plot.attrs["R_max_nm"] - 1.3) < 0.2
        assert persistence.attrs["length_nm"] == pytest.approx(np.sqrt(M / C) / (2 * np.pi), rel=1e-3)
        assert persistence.attrs["slope"] == pytest.approx(M, rel=1e-3)
        np.testing.assert_allclose(persistence["Q2_over_V"][-1], (0.61 / 5.0) ** 2 / line(5.0))
        assert list(fem["stratton_voyles_2"].attrs["holds"]) == [f"{hold}_fem" for hold in range(10, 14)]
        np.testing.assert_allclose(fem["stratton_voyles_2/V"], [1.03 * line(R) for R in PROBES_NM[:4]])
        assert np.isnan(fem["pair_persistence_2"].attrs["length_nm"])
        assert "line needs 4 probe sizes" in fem["pair_persistence_2"].attrs["why"]


def test_three_probe_sizes_are_no_series(run: RunFolder) -> None:
    for hold, R in enumerate(PROBES_NM[:3], start=1):
        scan(run, hold, 25.0, R, line(R))
    assert not any(path.startswith("fem") for path in cross_hold_results(run))


def test_rings_are_compared_with_the_coldest(run: RunFolder) -> None:
    """One ring of crystals at 275 degC, nothing else differs; compared is where all have a profile."""
    rings(run, 1, 275.0, sharp=20.0)
    rings(run, 2, 25.0, sharp=0.0)
    rings(run, 3, 150.0, sharp=0.0, skip=20)
    write_run_file(run)
    with h5py.File(run.run_file, "r") as file:
        table = file["entry/diffraction/compare"]
        assert table.attrs["reference"] == "02_saed"
        assert list(table["hold"].asstr()) == ["03_saed", "01_saed"]
        assert table["crystalline"][()].tolist() == [False, True]
        assert abs(table["k_of_largest"][1] - 4.8) < 0.1
        assert table["difference"].shape == (2, len(K_PER_NM) - 20)
        np.testing.assert_array_equal(table["k"], K_PER_NM[20:])
        assert len(table.attrs["why"]) == 2


def test_one_pattern_has_nothing_to_be_compared_with(run: RunFolder) -> None:
    rings(run, 1, 25.0, sharp=0.0)
    assert cross_hold_results(run) == {}


def test_dose_is_what_every_region_has_seen_in_the_end(run: RunFolder) -> None:
    journal = Journal(run.journal, VirtualClock())
    for region, exposed in ((1, 1e9), (2, 5e8), (1, 2e9)):
        journal.write("dose", region=region, hold=1, exposed_per_nm2=exposed, beam_on_per_nm2=2 * exposed)
    journal.close()
    write_run_file(run)
    with h5py.File(run.run_file, "r") as file:
        table = file["entry/dose"]
        assert table["region"][()].tolist() == [1, 2]
        assert table["exposed_per_nm2"][()].tolist() == [2e9, 5e8]
        assert table["beam_on_per_nm2"][()].tolist() == [4e9, 1e9]
        assert table["beam_on_per_nm2"].attrs["units"] == "1/nm^2"


def test_a_run_without_holds_has_a_file(run: RunFolder) -> None:
    write_run_file(run)
    with h5py.File(run.run_file, "r") as file:
        assert list(file["entry/holds"]) == []
        assert list(file["entry"].attrs["results"]) == []
