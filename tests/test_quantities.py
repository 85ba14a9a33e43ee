import contextlib
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annealscope.controller.config import quantities as q
from annealscope.controller.config.quantities import DIMENSIONS, TEMPERATURE, parse_quantity

READ = [
    # text, dimension, value in internal units
    ("4.5 h", q.DURATION, 16200.0),
    ("2000 s", q.DURATION, 2000.0),
    ("1e-3 s", q.DURATION, 0.001),
    ("30 min", q.DURATION, 1800.0),
    ("  1 s ", q.DURATION, 1.0),
    ("100 degC", q.TEMPERATURE, 373.15),
    ("100 °C", q.TEMPERATURE, 373.15),
    ("-50 degC", q.TEMPERATURE, 223.15),
    ("0 degC", q.TEMPERATURE, 273.15),
    ("300 K", q.TEMPERATURE, 300.0),
    ("0.5 K", q.DIFFERENCE, 0.5),
    ("20 K/min", q.RATE, 1 / 3),
    ("0.165 nm", q.LENGTH, 0.165),
    ("1 nm/min", q.SPEED, 1 / 60),
    ("0.726 1/nm", q.PER_LENGTH, 0.726),
    ("7.0e9 e/nm^2", q.DOSE, 7.0e9),
    ("4.4e5 e/nm^2/s", q.DOSE_RATE, 4.4e5),
    ("10 e/Å^2", q.DOSE, 1000.0),
    ("15 pA", q.CURRENT, 15.0),
    ("0.5 nA", q.CURRENT, 500.0),
    ("300 kV", q.VOLTAGE, 300.0),
    ("80000 V", q.VOLTAGE, 80.0),
    ("340 kx", q.MAGNIFICATION, 340_000.0),
    ("38 cm", q.CAMERA_LENGTH, 0.38),
    ("3 %", q.SHARE, 0.03),
    ("10 tau", q.RELAXATION_TIMES, 10.0),
    ("10 counts/e", q.GAIN, 10.0),
    ("100 counts", q.COUNTS, 100.0),
    ("2 e", q.ELECTRONS, 2.0),
]


@pytest.mark.parametrize(("text", "dimension", "value"), READ)
def test_what_is_read(text, dimension, value):
    assert parse_quantity(text, dimension) == pytest.approx(value, rel=1e-15)


REFUSED = [
    # value, dimension, the whole message
    (2, q.DURATION, '2 has no unit; write it like "2 s"'),
    ("4.5", q.DURATION, '"4.5" has no unit; write it like "4.5 s"'),
    (True, q.DURATION, 'true is not a duration; write it like "4.5 h"'),
    (None, q.DURATION, 'null is not a duration; write it like "4.5 h"'),
    (["1 s"], q.DURATION, 'a list is not a duration; write it like "4.5 h"'),
    ({"a": 1}, q.DURATION, 'a block is not a duration; write it like "4.5 h"'),
    ("4:30", q.DURATION, '"4:30" is not a duration; write it like "4.5 h"'),
    ("4 h 30 min", q.DURATION, '"4 h 30 min" is more than one quantity; write it like "4.5 h"'),
    ("4h30min", q.DURATION, '"4h30min" is more than one quantity; write it like "4.5 h"'),
    ("50K/min", q.RATE, '"50K/min" has no space between number and unit; write "50 K/min"'),
    ("5 nm", q.DURATION, '"5 nm" is a length, not a duration; write it like "4.5 h"'),
    ("5 K", q.RATE, '"5 K" is a temperature, not a heating or cooling rate; write it like "20 K/min"'),
    ("100 C", TEMPERATURE, 'unknown unit "C": a temperature is given in degC, °C or K; write "degC"'),
    ("100 F", TEMPERATURE, 'unknown unit "F": a temperature is given in degC, °C or K; write "degC"'),
    (
        "5 m",
        q.DURATION,
        '"5 m" is a camera length, not a duration; write "min" for minutes',
    ),
    (
        "5 mins",
        q.DURATION,
        'unknown unit "mins": a duration is given in s, ms, us, min, h or d; did you mean "min"?',
    ),
    ("3%", q.SHARE, '"3%" has no space between number and unit; write "3 %"'),
    (0.03, q.SHARE, '0.03 has no unit; write it like "3 %"'),
    ("5 parsec", q.LENGTH, 'unknown unit "parsec": a length is given in nm, pm, um or Å'),
    (
        "20 degC/min",
        q.RATE,
        'unknown unit "degC/min": a heating or cooling rate is given in K/min, K/s or K/h; write "K/min"',
    ),
    ("nan s", q.DURATION, '"nan s" is not a duration; write it like "4.5 h"'),
    (".inf", q.DURATION, '".inf" is not a duration; write it like "4.5 h"'),
    (math.nan, q.DURATION, 'nan has no unit; write it like "4.5 h"'),
    ("1e999 s", q.DURATION, '"1e999 s" is beyond any experiment'),
    ("1e300 h", q.DURATION, '"1e300 h" is beyond any experiment'),
    ("1e-300 s", q.DURATION, '"1e-300 s" is beyond any experiment'),
    ("-1 s", q.DURATION, '"-1 s" has to be more than zero'),
    ("0 s", q.DURATION, '"0 s" has to be more than zero'),
    ("-300 degC", TEMPERATURE, '"-300 degC" is not above absolute zero'),
    ("", q.DURATION, '"" is not a duration; write it like "4.5 h"'),
    ("1 s; rm", q.DURATION, '"1 s; rm" is not a duration; write it like "4.5 h"'),
]


@pytest.mark.parametrize(("value", "dimension", "message"), REFUSED)
def test_what_is_refused(value, dimension, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_quantity(value, dimension)


def test_zero_is_read_where_it_makes_sense():
    assert parse_quantity("0 s", q.DURATION, zero=True) == 0.0
    with pytest.raises(ValueError, match=r'^"-1 s" has to be zero or more$'):
        parse_quantity("-1 s", q.DURATION, zero=True)


@pytest.mark.parametrize("dimension", DIMENSIONS, ids=lambda d: d.name)
def test_the_example_of_a_dimension_is_one_of_it(dimension):
    assert parse_quantity(dimension.example, dimension) > 0


UNITS = [(dimension, unit) for dimension in DIMENSIONS for unit in dimension.units]


@given(st.sampled_from(UNITS), st.floats(1e-6, 1e9))
def test_a_quantity_survives_being_written(unit_of_dimension, number):
    dimension, unit = unit_of_dimension
    if not 1e-12 <= number * dimension.units[unit] <= 1e15:
        return
    value = parse_quantity(f"{number!r} {unit}", dimension)
    assert (value - dimension.zero.get(unit, 0.0)) / dimension.units[unit] == pytest.approx(number, rel=1e-9)


@given(st.text(max_size=40), st.sampled_from(DIMENSIONS))
def test_any_text_is_read_or_refused_with_a_message(text, dimension):
    with contextlib.suppress(ValueError):
        assert math.isfinite(parse_quantity(text, dimension))


@given(st.sampled_from(UNITS), st.text(st.sampled_from("0123456789.eE+- "), max_size=8), st.booleans())
def test_the_pattern_for_editors_takes_what_is_read(unit_of_dimension, number, spaced):
    dimension, unit = unit_of_dimension
    text = f"{number}{' ' if spaced else ''}{unit}"
    schema = q.Quantity(dimension).json_schema()
    try:
        parse_quantity(text, dimension, zero=True)
    except ValueError as error:
        if not re.search(r"has to be|beyond|absolute zero", str(error)):
            assert not re.match(schema["pattern"], text)
    else:
        assert re.match(schema["pattern"], text)
