"""What the analysis writes beyond curves and fits, made up: tau along length and age, numbers of the map."""

from typing import Any

import numpy as np

from annealscope.analysis.precision import record_bias

SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
AGES = 7
BETA_STEPS = (-0.10, -0.05, 0.05, 0.10)
PATCH_PX = 8
MAP_NUMBERS = {
    "sigma_ln_tau": 0.56, "null_sigma_ln_tau": 0.47, "null_series": 4096, "sigma_het": 0.3049,
    "excess_variance": 0.093, "sigma_excess_variance": 0.0121, "slow_domains": 3, "slow_diameter_nm": 2.34,
    "slow_fraction": 0.061, "above_fraction": 0.143, "null_above_fraction": 0.058,
}  # fmt: skip


def write_beyond(entry: Any, tau_s: float, beta: float, period_s: float, frames: int) -> None:
    """Add what files of before do not have: errors of the fits, and the groups duration, age and map."""
    for group in entry["kww"].values():
        at_beta = group.attrs["tau_s"] * (1 - 0.3 * np.array(BETA_STEPS))
        group.attrs.update(errors="jackknife", blocks=36, beta_steps=BETA_STEPS, tau_at_beta_s=at_beta)
    write_durations(entry, tau_s, beta, period_s, frames)
    write_age(entry, tau_s, period_s * frames)
    write_map(entry, tau_s)


def write_durations(entry: Any, tau_s: float, beta: float, period_s: float, frames: int) -> None:
    """Add tau of growing lengths of a glass in a steady state."""
    slots = [round(share * frames) for share in SHARES]
    seen = np.array([record_bias(tau_s, beta, n, period_s) for n in slots])
    T_s = np.array(slots) * period_s
    columns = {
        "T_s": T_s, "expected_tau_s": seen[:, 0], "expected_beta": seen[:, 1],
        "tau_s": 0.97 * seen[:, 0], "sigma_tau_s": 0.02 * seen[:, 0],
        "beta": seen[:, 1], "sigma_beta": np.full(len(T_s), 0.01),
    }  # fmt: skip
    for start in ("corrected_", "ttcf_"):
        columns |= {
            f"{start}tau_s": np.where(T_s > 5 * tau_s, tau_s, np.nan), f"{start}sigma_tau_s": 1500 / T_s,
            f"{start}beta": np.full(len(T_s), beta), f"{start}sigma_beta": np.full(len(T_s), 0.01),
        }  # fmt: skip
    for name, column in columns.items():
        entry[f"duration/{name}"] = column
    entry["duration"].attrs.update(
        law="hyp", tau_asym_s=1.01 * tau_s, sigma_tau_asym_s=0.03 * tau_s, T0_s=3 * tau_s, rms_s=1.0, why="",
        tau_asym_exp_s=0.9 * tau_s, tau_asym_invT_s=0.93 * tau_s, tau_asym_pow_s=np.nan,
    )  # fmt: skip


def write_age(entry: Any, tau_s: float, duration_s: float) -> None:
    """Add tau of equidistant ages of a glass that ages, with one jump of the image."""
    part = (np.arange(AGES) + 0.5) / AGES
    found = tau_s * np.exp(0.5 * (part - 0.5))
    entry["age/t_age_s"] = part * duration_s
    entry["age/tau_s"] = found
    entry["age/sigma_s"] = 0.05 * found
    entry["age/reach_s"] = duration_s * np.minimum(0.35, 2 * np.minimum(part, 1 - part))
    entry["age"].attrs.update(
        verdict="aging", slope=0.5, sigma_slope=0.09, jumps_s=np.array([0.3 * duration_s])
    )


def write_map(entry: Any, tau_s: float) -> None:
    """Add the distributions of the map and of its null, patches, and what is said of them."""
    edges_s = 10 ** np.arange(0.0, 5.0, 0.05)
    middle = np.log(edges_s[1:] * edges_s[:-1]) / 2
    for name, sigma in (("fraction", 0.56), ("null_fraction", 0.47)):
        weights = np.exp(-((middle - np.log(0.73 * tau_s)) ** 2) / (2 * sigma**2))
        entry[f"map/{name}"] = weights / weights.sum()
    entry["map/fraction_edges_s"] = edges_s
    pixels = entry["map/tau_s"][()]
    rows, columns = (max(side // PATCH_PX, 2) for side in pixels.shape)
    patches = np.full((rows, columns), tau_s)
    patches[0, 0] *= 3
    entry["map/patch_tau_s"] = patches
    entry["map/patch_flags"] = np.where(np.arange(rows * columns).reshape(patches.shape) == 1, 32, 0)
    step_nm = PATCH_PX * float(np.diff(entry["map/x_nm"][:2])[0])
    entry["map/patch_x_nm"] = step_nm * np.arange(columns)
    entry["map"].attrs.update(MAP_NUMBERS)
