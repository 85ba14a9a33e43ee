"""Following the CSV file that a holder's own software writes."""

import csv
import math
import os
from pathlib import Path

import pytest

from annealscope.drivers.by_hand import HandSetHolder
from annealscope.drivers.clock import VirtualClock
from annealscope.drivers.conformance import check_driver
from annealscope.drivers.envelope import Envelope
from annealscope.drivers.interfaces import DeviceError
from annealscope.drivers.vendor_log import STALE_AFTER_S, TAIL_BYTES, VendorLog

RECORDED = Path(os.environ.get("ANNEALSCOPE_HOLDER_LOGS", Path(__file__).parents[2] / "shared" / "data"))
LOGS = ("protochips_thermal.csv", "protochips_electrothermal.csv", "impulse_StubExperiment_Heat_raw.csv")
ZERO_K = 273.15

FUSION = (
    "Time, Notes, Channel A Temperature, Channel B Resistance\n0, Temperature units = Degrees C, 25, NaN\n"
)
IMPULSE = "TimeStamp,Experiment time,Temperature Measured\n13:40:25.811,6.749,21.05\n"
GERMAN = "Zeit;Temperature (degC);Strom\n0;21,5;0,1\n"
KELVIN = "time\ttemperature (K)\n0\t300.5\n"


@pytest.fixture
def clock():
    return VirtualClock(wall_start_s=2e9)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "heat.csv"


def _write(path, text, wall_s=2e9):
    path.write_bytes(text.encode())
    os.utime(path, (wall_s, wall_s))


def _add(path, text):
    with path.open("ab") as file:
        file.write(text.encode())


def _opened(path, clock, **options):
    reader = VendorLog(path, clock, **options)
    reader.open()
    return reader


def _reading(reader):
    return reader.read()["temperature"]


@pytest.mark.parametrize(
    ("text", "first_K", "line", "next_K"),
    [
        (FUSION, 298.15, "84, , 26.5, NaN\n", 299.65),
        (IMPULSE, 294.2, "13:40:26.336,7.274,25.5\n", 298.65),
        (IMPULSE.replace("\n", "\r\n"), 294.2, "13:40:26.336,7.274,25.5\r\n", 298.65),
        (GERMAN, 294.65, "1;22,5;0,1\n", 295.65),
        (KELVIN, 300.5, "1\t301.5\n", 301.5),
        ("\ufeff" + IMPULSE, 294.2, "13:40:26.336,7.274,25.5\n", 298.65),
    ],
)
def test_the_newest_line_is_the_temperature(log, clock, text, first_K, line, next_K):
    _write(log, text)
    reader = _opened(log, clock)
    assert _reading(reader).value == pytest.approx(first_K)
    clock.sleep_until(1.0)
    _add(log, line)
    reading = _reading(reader)
    assert (reading.value, reading.t_s, reading.quality) == (pytest.approx(next_K), 1.0, "ok")


def test_a_line_that_is_being_written_is_left_for_later(log, clock):
    _write(log, IMPULSE)
    reader = _opened(log, clock)
    for piece in ("13:40:26,7.2", ",9", "9.5"):
        _add(log, piece)
        clock.sleep_until(clock.monotonic() + 0.1)
        assert _reading(reader).value == pytest.approx(294.2)
        assert _reading(reader).t_s == 0.0
    _add(log, "\n")
    assert _reading(reader).value == pytest.approx(99.5 + ZERO_K)


def test_a_file_that_stops_growing_gives_stale_readings(log, clock):
    _write(log, IMPULSE)
    reader = _opened(log, clock)
    clock.sleep_until(STALE_AFTER_S + 0.1)
    assert (_reading(reader).t_s, _reading(reader).quality) == (0.0, "stale")
    _add(log, "13:40:26.336,7.274,25.5\n")
    assert (_reading(reader).t_s, _reading(reader).quality) == (STALE_AFTER_S + 0.1, "ok")


def test_a_file_of_yesterday_is_stale_from_the_beginning(log, clock):
    _write(log, IMPULSE, wall_s=2e9 - 86_400)
    reading = _reading(_opened(log, clock))
    assert (reading.t_s, reading.quality) == (-86_400.0, "stale")


@pytest.mark.parametrize(
    "line",
    ["x,y,z", "1,2,NaN", "1,2,inf", "1,2,-300", "1,2", "1,2,100,5", "", "\x00\x00", '"', "1,2,1e999", "1,2,"],
)
def test_what_cannot_be_a_temperature_is_a_bad_reading(log, clock, line):
    _write(log, IMPULSE)
    reader = _opened(log, clock)
    _add(log, f"{line}\n")
    reading = _reading(reader)
    assert math.isnan(reading.value)
    assert reading.quality == "bad"
    _add(log, "13:40:26.336,7.274,25.5\n")
    assert _reading(reader).quality == "ok"


def test_a_file_that_is_away_ages_and_a_new_one_of_the_name_is_followed(log, clock):
    _write(log, IMPULSE + "13:40:26.336,7.274,25.5\n" * 10)
    reader = _opened(log, clock)
    log.unlink()
    assert _reading(reader).value == pytest.approx(298.65)
    clock.sleep_until(60.0)
    assert _reading(reader).quality == "stale"
    _write(log, IMPULSE)
    assert (_reading(reader).value, _reading(reader).quality) == (pytest.approx(294.2), "ok")


def test_a_long_file_is_read_from_its_end(log, clock):
    _write(log, IMPULSE + "13:40:26.336,7.274,25.5\n" * (3 * TAIL_BYTES // 24) + "13:50:00,9,99.5\n")
    assert _reading(_opened(log, clock)).value == pytest.approx(99.5 + ZERO_K)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found 0"),
        ("Time,Temperature", "found 1"),  # the line of names is not complete
        ("Time,Pressure\n", "found 0"),
        ("Temperature A,Temperature B\n1,2\n", "name it by `column`"),
        ("Time,Temperature (degF)\n", "got 'degF'"),
        (FUSION.replace("Degrees C", "Degrees F"), "got 'Degrees F'"),
    ],
)
def test_a_file_without_a_temperature_is_refused(log, clock, text, said):
    _write(log, text)
    with pytest.raises(DeviceError, match=said):
        _opened(log, clock)


def test_a_column_can_be_named(log, clock):
    _write(log, "Temperature A,Temperature B\n1,2\n")
    assert _reading(_opened(log, clock, column="temperature b")).value == pytest.approx(275.15)


def test_a_file_that_is_not_there_is_a_device_error(log, clock):
    with pytest.raises(DeviceError, match="cannot be read"):
        _opened(log, clock)


def test_with_an_operator_it_is_a_holder(log, clock):
    _write(log, IMPULSE)

    def make():
        return HandSetHolder(VendorLog(log, clock), clock, Envelope(600.0, 20.0, 20.0))

    assert check_driver(make, clock) == []


@pytest.mark.parametrize("name", LOGS)
def test_recorded_logs_are_followed_line_by_line(log, clock, name):
    """A log is written again in pieces that end anywhere; after each the newest complete line is read."""
    if not (RECORDED / name).exists():
        pytest.skip(f"the recorded log {name} of a real holder is not here")
    content = (RECORDED / name).read_bytes()
    rows = list(csv.reader(content.decode("utf-8-sig").splitlines(), skipinitialspace=True))
    column = next(index for index, name in enumerate(rows[0]) if "Temperature" in name)
    log.write_bytes(content[:1000])
    reader, end = _opened(log, clock), 1000
    while end < len(content):
        piece = content[end : end + 7919]
        with log.open("ab") as file:
            file.write(piece)
        end += len(piece)
        complete = content[:end].count(b"\n")
        assert _reading(reader).value == pytest.approx(float(rows[complete - 1][column]) + ZERO_K)
