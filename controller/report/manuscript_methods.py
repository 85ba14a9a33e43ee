"""What a methods paragraph says of each method: how its frames were taken, and what was made of them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from annealscope.controller.config.wording import counted, duration, scientific
from annealscope.controller.report.load_arrays import number
from annealscope.controller.report.numbers import listed, sentence, span
from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_run import RunSummary

WHAT = {
    "ecm": "dark-field movies for electron correlation microscopy (ECM)",
    "fem": "grids of nanobeam diffraction patterns for fluctuation electron microscopy (FEM)",
    "diffraction": "area diffraction patterns",
}

OPTICS = {
    "high_tension_kV": "{} kV",
    "magnification": "a magnification of {}",
    "objective_aperture_um": "an objective aperture of {} µm",
    "ring_per_nm": "centred on {} nm⁻¹",
    "probe_nm": "a probe of {} nm (FWHM)",
    "probe_current_pA": "a probe current of {} pA",
    "camera_length_m": "a camera length of {} m",
}

MODELS = {
    "finite": "A exp[−2(t/τ)^β], its expectation in a record of that length,",
    "kww": "A exp[−2(t/τ)^β]",
    "kww+baseline": "A exp[−2(t/τ)^β] + C",
}

RANGES = {
    "half": "up to half the length of the record",
    "quarter": "up to a quarter of the length of the record",
    "first1": "up to the first value at or below 1",
    "full": "at all lags",
}

ERRORS = {
    "jackknife": "a jackknife over blocks of the image",
    "error scale": "the number of speckles and of relaxation times in the record",
}


Holds = Sequence[HoldSummary]


def recordings(run: RunSummary) -> Iterator[str]:
    """Yield sentences on how the frames of each kind of acquisition were taken."""
    for holds in _series(run.holds):
        what = WHAT.get(holds[0].method, holds[0].method)
        yield f"{what[:1].upper()}{what[1:]} were taken{_temperatures(holds)}."
        for words in (_optics(holds), _camera(holds[0]), _timing(holds), _beam(holds, run), _ages(holds)):
            if words:
                yield words


def _series(holds: Holds) -> list[Holds]:
    """Return the acquisitions of one method, camera and exposure together, the methods in their order."""
    found: dict[tuple[str, ...], list[HoldSummary]] = {}
    order = {method: place for place, method in enumerate(WHAT)}
    for hold in sorted(holds, key=lambda hold: (order.get(hold.method, len(order)), hold.ordinal)):
        known = hold.announcement
        key = (hold.method, str(known.get("camera")), str(known.get("exposure_s")), str(known.get("grid")))
        found.setdefault(key, []).append(hold)
    return list(found.values())


def _temperatures(holds: Holds) -> str:
    known = [f"{round(hold.setpoint_degC, 1):g}" for hold in holds if np.isfinite(hold.setpoint_K)]
    return f" at {listed(list(dict.fromkeys(known)))} °C" if known else ""


def _settings(hold: HoldSummary) -> Mapping[str, Any]:
    return dict(hold.announcement.get("settings") or {})


def _optics(holds: Holds) -> str:
    """Say how the column was set; of several values of a setting, all."""
    states = [dict(_settings(hold).get("optics") or {}) for hold in holds]
    modes = dict.fromkeys(str(state["mode"]).replace("_", " ") for state in states if state.get("mode"))
    parts = [f"{listed(list(modes)).replace('tem', 'TEM')} mode"] if modes else []
    for key, words in OPTICS.items():
        values = dict.fromkeys(f"{state[key]:g}" for state in states if number(state.get(key)) > 0)
        if values:
            parts.append(words.format(listed(list(values))))
    return f"The microscope was set to {', '.join(parts)}." if parts else ""


def _camera(hold: HoldSummary) -> str:
    camera = hold.announcement.get("camera") or {}
    if not camera.get("shape"):
        return ""
    rows, columns = camera["shape"]
    sizes = (("pixel_nm", "nm"), ("pixel_per_nm", "nm⁻¹"))
    size = [f" of {camera[key]:g} {unit}" for key, unit in sizes if number(camera.get(key)) > 0]
    return f"The camera had {rows} × {columns} pixels{''.join(size)}."


def _timing(holds: Holds) -> str:
    """Say how many frames there were, of which exposure, and how far apart."""
    taken = [hold for hold in holds if hold.frames]
    if not taken:
        return ""
    most = max(hold.frames for hold in taken)
    parts = [f"{span([hold.frames for hold in taken], str)} frame{'s' if most > 1 else ''}"]
    known = holds[0].announcement
    if known.get("grid"):
        rows, columns = known["grid"]["points"]
        parts.append(f"on a grid of {rows} × {columns} positions {known['grid']['pitch_nm']:g} nm apart")
    if number(known.get("exposure_s")) > 0:
        parts.append(f"with an exposure of {known['exposure_s']:g} s")
    periods_s = [hold.period_s for hold in taken if hold.frames > 1 and np.isfinite(hold.period_s)]
    if periods_s:
        lasted = span([hold.duration_s for hold in taken], duration)
        parts.append(f"every {span(periods_s, '{:.4f}'.format)} s as measured, {lasted} in all")
    return f"Each {'movie' if holds[0].method == 'ecm' else 'acquisition'} has {' '.join(parts)}."


def _beam(holds: Holds, run: RunSummary) -> str:
    parts = []
    rates = dict.fromkeys(scientific(h.dose_rate_per_nm2_s) for h in holds if h.dose_rate_per_nm2_s > 0)
    if rates:
        over = " over the area of a grid" if holds[0].announcement.get("grid") else ""
        parts.append(f"the dose rate{over} was {listed(list(rates))} e/nm²/s{_pauses(holds)}")
    names = {hold.name for hold in holds}
    regions = [region for region in run.dose.regions if names & set(region.holds)]
    thick = [region.thickness for region in regions if np.isfinite(region.thickness)]
    if regions:
        of = f" of {span(thick, '{:.2f}'.format)} inelastic mean free paths" if thick else ""
        parts.append(f"{counted(len(regions), 'region')}{of} {'was' if len(regions) == 1 else 'were'} used")
    return sentence("; ".join(parts)) if parts else ""


def _pauses(holds: Holds) -> str:
    """Say what the beam did between the exposures of movies, if all are alike."""
    known = {_settings(hold).get("beam_in_pause") for hold in holds if hold.method == "ecm"}
    if known == {True}:
        return ", with the beam on between exposures"
    return ", with the beam blanked between exposures" if known == {False} else ""


def _ages(holds: Holds) -> str:
    ages_s = [hold.age_s for hold in holds if np.isfinite(hold.age_s)]
    return f"They began at an age of {span(ages_s, duration)}." if ages_s else ""


def analysis(holds: Holds) -> Iterator[str]:
    """Yield sentences on what was made of the frames of each method that has results."""
    analysed = {method: [h for h in holds if h.method == method and h.analysed] for method in WHAT}
    if analysed["ecm"]:
        yield from _drift(analysed["ecm"])
        yield from _correlation(analysed["ecm"])
    if analysed["fem"]:
        yield (
            "V(k) is the variance of each pixel over the positions of the probe, without the noise of "
            "electrons and camera, over its squared mean, averaged round the ring; peaks are Gaussians on a "
            "constant. Standard errors of V are from a jackknife over the rows of the grid."
        )
    if any(hold.ring_difference for hold in holds):
        yield (
            "Ring profiles of the area patterns were compared with that of the reference temperature; sharp "
            "differences beyond six standard errors count as crystals."
        )


def _drift(holds: Holds) -> Iterator[str]:
    with_drift = [hold.drift for hold in holds if hold.drift]
    residual_nm = [
        drift.largest_residual_nm for drift in with_drift if np.isfinite(drift.largest_residual_nm)
    ]
    if any(drift.measured_nm is not None for drift in with_drift):
        feedback = any(drift.applied_nm is not None and np.any(drift.applied_nm) for drift in with_drift)
        how = "by the image shift between frames and " if feedback else ""
        left = (
            f"; in the corrected frames at most {span(residual_nm, '{:.2f}'.format)} nm of it were left"
            if residual_nm
            else ""
        )
        yield f"The drift was measured in every frame and taken out {how}by displacing the frames{left}."


def _correlation(holds: Holds) -> Iterator[str]:
    fits = [fit for hold in holds if (fit := hold.fits.get("corrected"))]
    if not fits:
        return
    speckles = [
        hold.correlation.n_speckles for hold in holds if hold.correlation and hold.correlation.n_speckles > 0
    ]
    in_ = f" ({span(speckles, '{:.0f}'.format)} independent speckles)" if speckles else ""
    model, range_ = MODELS.get(fits[0].model, ""), RANGES.get(fits[0].range, "")
    yield "Every frame was divided by its mean."
    if model:
        yield (
            f"τ and β are those of g₂(t) − 1 = {model} fitted to the ratio of the image averages{in_}"
            f"{f' {range_}' if range_ else ''}."
        )
    errors = Counter(ERRORS[fit.errors] for fit in fits if fit.errors in ERRORS)
    if len(errors) == 1:
        yield f"Their standard errors are from {next(iter(errors))}."
    elif errors:
        found = [f"{words} ({counted(times, 'movie')})" for words, times in errors.items()]
        yield f"Their standard errors are from {listed(found)}."
    if any("pixel" in hold.fits for hold in holds):
        yield (
            "Plain fits of the mean curve of all pixels, the published estimator, are given beside; they "
            "read short in a finite record."
        )
