"""The benchmark of the correlation kernels runs and prints every row; how fast it is does not matter here."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "correlation.py"


def test_the_quick_benchmark_prints_every_row():
    one_thread = {"NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, SCRIPT, "--quick"], env=os.environ | one_thread, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for work in ("multi-tau", "boost-corr", "KWW map", "finite-duration", "TTCF of", "64 kept", "live TTCF"):
        assert work in done.stdout
