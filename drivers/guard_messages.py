"""What a guard and a controller say to each other: small JSON objects, checked before anything else."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from annealscope.drivers.envelope import Envelope, RiseLimits
from annealscope.drivers.interfaces import Reading
from annealscope.drivers.lease import Command, LadderRules, Purpose

MAX_REQUEST_BYTES = 4096
MAX_REPLY_BYTES = 65536
LARGEST = 1e300
"""Numbers in messages are smaller; larger integers would not fit a float."""

Verb = Literal["claim", "look", "check", "renew", "ramp", "hold", "off", "release", "acknowledge"]


class BadMessage(Exception):
    """Bytes that are no message of ours."""


@dataclass(frozen=True)
class DriverSpec:
    """Where a driver that the guard hosts comes from."""

    factory: str
    """``package.module:function``, which returns the device, unopened, that stamps by `time.monotonic`."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of the function, plain JSON."""


@dataclass(frozen=True)
class GuardSettings:
    """All that a guard is told, once, by the process that starts it."""

    holder: DriverSpec
    envelope: Envelope
    ladder: LadderRules
    epoch_path: str
    """One for a holder: the epoch, which outlasts the guard, and the address for who takes over."""
    log_path: str
    token: str
    """Secret that every request has to carry."""
    blanker: DriverSpec | None = None
    """Device with a ``blank(on)`` for the beam; None: the guard cannot blank."""
    run: str = ""
    """What it guards the heater for, in words for the next one who wants it: the folder of a run."""

    def __post_init__(self) -> None:
        safe, envelope = self.ladder, self.envelope
        if not safe.cool_to_K <= envelope.max_temperature_K:
            raise ValueError(
                f"guard: the safe ramp ends at {safe.cool_to_K:g} K, "
                f"above the envelope's {envelope.max_temperature_K:g} K"
            )
        if not safe.rate_K_per_s <= envelope.max_cooling_rate_K_per_s:
            raise ValueError(
                f"guard: the safe ramp cools at {safe.rate_K_per_s:g} K/s, the envelope allows "
                f"{envelope.max_cooling_rate_K_per_s:g} K/s; correct the `safe:` of the protocol"
            )


def settings_to_json(settings: GuardSettings) -> bytes:
    """Return the line that a guard reads from stdin."""
    return json.dumps(asdict(settings), allow_nan=False).encode() + b"\n"


def settings_from_json(line: bytes | str) -> GuardSettings:
    """Return what `settings_to_json` wrote. Raises ValueError."""
    try:
        fields = json.loads(line)
        return GuardSettings(
            **{
                **fields,
                "holder": DriverSpec(**fields["holder"]),
                "blanker": DriverSpec(**fields["blanker"]) if fields["blanker"] else None,
                "envelope": _envelope(fields["envelope"]),
                "ladder": LadderRules(**fields["ladder"]),
            }
        )
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"the first line of stdin must be a guard's settings: {error!r}") from None


def _envelope(fields: Mapping[str, Any]) -> Envelope:
    band, rise = fields["resistance_ohm"], fields["rise"]
    nested = {"resistance_ohm": tuple(band) if band else None, "rise": RiseLimits(**rise) if rise else None}
    return Envelope(**{**fields, **nested})


@dataclass(frozen=True)
class Request:
    """What a controller asks of a guard."""

    verb: Verb
    token: str
    seq: int
    epoch: int
    """The sender's; 0 before its first claim."""
    sent_s: float
    """By `time.monotonic`, which all processes of a machine share."""
    valid_for_s: float = 0.0
    target_K: float = math.nan
    rate_K_per_s: float = math.nan
    ramp: int = 0
    """Number of the ramp to report on; 0: none."""
    from_parent: bool = False
    why: str = ""

    def command(self, purpose: Purpose) -> Command:
        """Return it as the ladder sees it."""
        return Command(purpose, self.epoch, self.seq, self.sent_s, self.valid_for_s)


_TYPES: dict[str, type] = {
    "verb": str, "token": str, "seq": int, "epoch": int, "sent_s": float, "valid_for_s": float,
    "target_K": float, "rate_K_per_s": float, "ramp": int, "from_parent": bool, "why": str,
}  # fmt: skip


def encode(message: Mapping[str, Any]) -> bytes:
    """Return a message as JSON; a number that is not finite becomes null, which JSON has."""
    plain = {key: _finite(value) if isinstance(value, float) else value for key, value in message.items()}
    return json.dumps(plain, allow_nan=False).encode()


def decode_request(data: bytes) -> Request:
    """Return the request that bytes from a socket are. Raises BadMessage."""
    fields = _object(data, MAX_REQUEST_BYTES)
    wrong = [name for name, value in fields.items() if not _is(value, _TYPES.get(name))]
    if wrong:
        raise BadMessage(f"unknown or ill-typed: {sorted(wrong)[:5]}")
    try:
        request = Request(**fields)
    except TypeError as error:
        raise BadMessage(str(error)) from None
    if request.verb not in get_args(Verb):
        raise BadMessage(f"unknown verb {request.verb[:20]!r}")
    return request


def decode_reply(data: bytes) -> dict[str, Any]:
    """Return a guard's reply. Raises BadMessage."""
    return _object(data, MAX_REPLY_BYTES)


def reading_to_json(reading: Reading) -> list[Any]:
    """Return a reading as ``[value, t_s, quality]``; a number that is not finite is null."""
    return [*(_finite(number) for number in (reading.value, reading.t_s)), reading.quality]


def reading_from_json(parts: list[Any], stamp_s: float) -> Reading:
    """Return a reading, stamped on the receiver's clock; one with a null is a NaN of bad quality."""
    value, t_s, quality = parts
    if value is None or t_s is None:
        return Reading(math.nan, stamp_s, "bad")
    return Reading(float(value), stamp_s, quality)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _object(data: bytes, max_bytes: int) -> dict[str, Any]:
    if len(data) > max_bytes:
        raise BadMessage(f"{len(data)} bytes, at most {max_bytes} allowed")
    try:
        fields = json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"no JSON: {error}") from None
    if not isinstance(fields, dict):
        raise BadMessage("no JSON object")
    return fields


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not allowed")


def _is(value: object, kind: type | None) -> bool:
    """Say whether a JSON value is of a field's type: a bool is no number, and a number is finite."""
    if kind is None:
        return False
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST
    return type(value) is kind
