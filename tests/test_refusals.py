"""What cannot be done is refused before anything is touched: no folder, no device, no process."""

import shutil
from collections import namedtuple

import pytest
from small_run import annealscope_here, write_inputs
from two_days import PROTOCOL

from annealscope.controller.cli.guarded import guarded
from annealscope.controller.session import run as session

BAD_RIGS = {
    "cameras:": ("camera:", "cameras"),
    "shape: [64, 64]": ("shape: [64]", "shape"),
    "  diffraction:\n": ("  other:\n", 'no camera "diffraction"'),
    "modes: [tem_dark_field, nanobeam, diffraction]": ("modes: [tem_dark_field, diffraction]", "nanobeam"),
    "high_tension: 300 kV": ("high_tension: 200 kV", "200 kV"),
    "max_temperature: 500 degC": ("max_temperature: 200 degC", "200 °C"),
    "kind: diffraction\n": ("kind: imaging\n", "`pixel` is missing"),
}


@pytest.mark.parametrize("place", BAD_RIGS)
def test_a_rig_that_cannot_do_it_is_refused(place, tmp_path):
    protocol, rig = write_inputs(tmp_path, 64, PROTOCOL)
    text = rig.read_text(encoding="utf-8")
    assert place in text
    wrong, word = BAD_RIGS[place]
    rig.write_text(text.replace(place, wrong, 1), encoding="utf-8")
    done = annealscope_here("run", protocol, "--rig", rig, "--out", tmp_path / "run")
    assert done.returncode == 3, done.stderr
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_disk_that_is_too_small_is_refused(tmp_path, monkeypatch, capsys):
    protocol, rig = write_inputs(tmp_path, 5000, PROTOCOL)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 10**6, 10**6))
    code = guarded(lambda: session.run(protocol, rig=rig, out=tmp_path / "run"))
    assert code == 3
    assert "of disk" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
