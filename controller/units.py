"""Laws and rates are in K, what people read is in °C: the step from one to the other, once."""

ZERO_CELSIUS_K = 273.15


def to_celsius(temperature_K: float) -> float:
    """Return a temperature in °C."""
    return temperature_K - ZERO_CELSIUS_K
