"""The numbers of a hold that the journal has as soon as its analysis is done."""

from annealscope.analysis.values import Result
from annealscope.controller.stream.headline import headline
from annealscope.controller.stream.wire import results_to_parts


def headline_of(**attributes):
    results = {path: Result(None, attrs=attrs) for path, attrs in attributes.items()}
    return headline(results_to_parts(results, 1)[0])


def test_of_a_movie_it_is_the_corrected_fit():
    fit = {"tau_s": 450.0, "sigma_tau_s": 20.0, "beta": 0.7, "sigma_beta": 0.02, "model": "kww", "flags": 0}
    found = headline_of(**{"kww/corrected": fit, "kww/pixel": {**fit, "tau_s": 300.0}})
    assert found == {"tau_s": 450.0, "sigma_tau_s": 20.0, "beta": 0.7, "sigma_beta": 0.02}


def test_of_a_grid_it_is_the_first_peak():
    peaks = {"V_max": 0.15, "sigma_V_max": 0.002, "k_per_nm": 4.27}
    assert headline_of(**{"fem/peaks/first": peaks, "fem/peaks/second": {**peaks, "V_max": 0.06}}) == peaks


def test_other_results_have_none():
    assert headline_of(diffraction={"rings_per_nm": [4.2, 7.1]}) == {}
