"""What goes over the wire: ``[kind, JSON header, raw array, ...]``, versioned, no pickle.

Sockets (all loopback TCP, all bound by the controller, so that a child can be restarted):

* ``recorder`` ROUTER <-> DEALER: OpenHold, FrameHeader + pixels, NewSegment, Lost, Reading, CloseHold,
  ResultsHeader + arrays -> <- Hello, Ack, HoldClosed, Trouble
* ``analyst`` ROUTER <-> DEALER: OpenHold, CloseHold, FrameHeader + pixels of a watch -> <- Hello, DriftRow,
  Live, Preview + arrays, ResultsHeader + arrays, NoResults, Trouble
* ``frames`` PUB -> SUB (analyst): FrameHeader + pixels; what is missed is read from the frame log.
* ``viewers`` PUB -> SUB (anybody of this machine): FrameHeader + pixels, a few a second.
* ``news`` PUB -> SUB (the same): OpenHold, StatusNow, Preview + arrays. The newest of each kind comes again
  every second, on both.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

WIRE_VERSION = 1
MAX_MESSAGE_BYTES = 512 * 1024 * 1024
"""No part of a message may be larger; sockets drop a peer that sends more."""


class Message(BaseModel):
    """A header; unknown fields are ignored so that an older reader understands a newer sender."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="constants")
    v: int = WIRE_VERSION


class Hello(Message):
    """A child is up and listening."""

    kind: Literal["hello"] = "hello"
    role: Literal["recorder", "analyst"]
    pid: int


Pixels = Annotated[int, Field(ge=1, le=2**16)]
NumberType = Annotated[
    str, Field(pattern=r"^[<>=|]?([ui][1248]|f[248])$|^(u?int(8|16|32|64)|float(16|32|64))$")
]
"""A dtype of plain numbers: no objects, texts or records are made of anybody's bytes."""


class CameraInfo(Message):
    """How to read the pixels of a hold."""

    shape: tuple[Pixels, Pixels]
    dtype: NumberType
    pixel_nm: float | None = None
    """Size of a pixel on the specimen; of a camera that sees images."""
    pixel_per_nm: float | None = None
    """Size of a pixel in 1/nm; of a camera that sees diffraction patterns."""
    offset_counts: float
    gain_counts_per_e: float
    noise_power: float = 1.0
    """Share of the shot noise of a pixel that the spread of each electron over pixels leaves, 0 ... 1."""
    read_noise_counts: float = 0.0
    """Standard deviation of a pixel in the dark, counts."""
    aperture_per_nm: float | None = None
    """Radius of the objective aperture in 1/nm: the pupil that makes the speckle."""
    ellipse: tuple[float, float] = (1.0, 0.0)
    """Of diffraction rings: (long over short axis, angle in degrees of the long one from +x towards +y)."""


class Grid(BaseModel):
    """Positions of a scanned probe: row by row, centred on the region."""

    model_config = ConfigDict(frozen=True)
    points: tuple[int, int]
    """(rows, columns)."""
    pitch_nm: float


Method = Literal["ecm", "fem", "diffraction", "watch"]


class OpenHold(Message):
    """A new acquisition begins."""

    kind: Literal["open_hold"] = "open_hold"
    run: str
    hold: int
    """Ordinal in the plan: the NN of the file names; 0 for a watch."""
    name: str
    """File stem below ``holds/``, e.g. ``02_ecm_100C``."""
    folder: str
    """The run folder."""
    title: str
    method: Method = "ecm"
    """``watch``: the drift is measured, but nothing is recorded and there are no results."""
    camera: CameraInfo
    grid: Grid | None = None
    """Of a scanned probe."""
    probe_nm: float | None = None
    """FWHM of the probe."""
    exposure_s: float
    period_s: float
    frames_planned: int
    segment: int = 0
    """Number of the first segment: above 0 when the hold was begun by a process that has died."""
    first_seq: int = 0
    """Number of the first frame then: those before it are in the logs, or lost."""
    t_settled_s: float
    """When the temperature counted as settled, on the run's clock: the zero of age."""
    start_utc: str
    """Label of the first exposure, ISO 8601 UTC."""
    setpoint_K: float
    image_shift_matrix: tuple[tuple[float, float], tuple[float, float]]
    """M: image displacement (y, x) per actuator shift (y, x), both nm."""
    drift: bool
    """Measure and correct drift."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Sample, dose, rig: what the record should say beside the above; plain JSON."""


class FrameHeader(Message):
    """One frame; its pixels follow as the next part of the message."""

    kind: Literal["frame"] = "frame"
    hold: int
    seq: int
    """Camera counter of the hold, from 0, lost frames included."""
    slot: int
    """Place on the regular time grid of the segment."""
    segment: int
    t_start_s: float
    exposure_s: float
    lost_before: int
    shape: tuple[Pixels, Pixels]
    dtype: NumberType
    crc32: int
    shift_applied_nm: tuple[float, float]
    beam_on: bool
    scan_yx_nm: tuple[float, float] | None = None
    haadf: float | None = None


class NewSegment(Message):
    """The acquisition goes on after a break, which no correlation crosses."""

    kind: Literal["new_segment"] = "new_segment"
    hold: int
    segment: int
    first_seq: int
    """The next frame."""
    why: str


class Lost(Message):
    """Consecutive frames that were counted but are not in the record."""

    kind: Literal["lost"] = "lost"
    hold: int
    first_seq: int
    frames: int
    t_s: float
    """When the first of them began, by the period."""
    why: str


class Reading(Message):
    """A temperature reading for the record of the open hold."""

    kind: Literal["reading"] = "reading"
    hold: int
    t_s: float
    temperature_K: float
    setpoint_K: float


class Ack(Message):
    """Everything up to and including ``durable_seq`` survives a power cut; -1: no frame yet."""

    kind: Literal["ack"] = "ack"
    hold: int
    durable_seq: int


class CloseHold(Message):
    """No more frames; ``end_seq`` is one past the last."""

    kind: Literal["close_hold"] = "close_hold"
    hold: int
    end_seq: int
    frames: int
    """Frames that were sent to the recorder."""
    reason: str


class DriftRow(Message):
    """The analyst's measurement of one frame."""

    kind: Literal["drift"] = "drift"
    hold: int
    seq: int
    measured_nm: tuple[float, float]
    """Displacement of the raw frame from the reference, (y, x); positive: to larger index."""
    quality: float
    """Height of the correlation peak, 0 ... 1."""
    found: bool = True
    """False: the frame matches nothing, and its displacement is an earlier one."""


class Live(Message):
    """What the analyst makes of the open hold so far."""

    kind: Literal["live"] = "live"
    hold: int
    frames: int
    tau_s: float | None = None
    beta: float | None = None
    sigma_tau_s: float | None = None
    V_max: float | None = None
    """Of patterns: the normalised variance at the first peak."""
    sigma_V_max: float | None = None
    compiling: bool = False
    """Kernels are compiled at this moment, as happens once on a machine: nothing else comes meanwhile."""


class ArrayPart(Message):
    """One entry of a Results message."""

    path: str
    units: str
    attrs: dict[str, Any]
    dtype: str | None
    """None: a group of attributes, no array follows."""
    shape: tuple[int, ...]


class ResultsHeader(Message):
    """All results of a hold; one part per entry with an array follows."""

    kind: Literal["results"] = "results"
    hold: int
    entries: list[ArrayPart]


class Preview(Message):
    """Results of the open hold so far, small enough to be looked at; arrays follow as in `ResultsHeader`."""

    kind: Literal["preview"] = "preview"
    hold: int
    name: str
    """As in `OpenHold`."""
    method: Method
    frames: int
    """Of the hold, analysed."""
    t_s: float
    """End of the newest of them, on the run's clock."""
    entries: list[ArrayPart]


class StatusNow(Message):
    """Where the run is, for viewers."""

    kind: Literal["status"] = "status"
    status: dict[str, Any]
    """The fields of `engine.ports.Status`, plain JSON."""


class NoResults(Message):
    """The recorder is to close the hold without results."""

    kind: Literal["no_results"] = "no_results"
    hold: int
    why: str


class HoldClosed(Message):
    """The hold file is complete, synced and read back."""

    kind: Literal["hold_closed"] = "hold_closed"
    hold: int
    path: str
    """Relative to the run folder, with forward slashes."""
    frames: int
    lost: int = 0
    """Frames that the camera counted and that are not in the file."""
    analysis: Literal["complete", "missing"]


class Trouble(Message):
    """A child reports an error in words."""

    kind: Literal["trouble"] = "trouble"
    role: str
    message: str
    fatal: bool


AnyMessage = Annotated[
    Hello | OpenHold | FrameHeader | NewSegment | Lost | Reading | Ack | CloseHold | DriftRow | Live
    | Preview | StatusNow | ResultsHeader | NoResults | HoldClosed | Trouble,
    Field(discriminator="kind"),
]  # fmt: skip
_ADAPTER: TypeAdapter[Any] = TypeAdapter(AnyMessage)


class BadMessage(ValueError):
    """Bytes that are not one of our messages."""


def encode(message: Message, *arrays: Any) -> list[Any]:
    """Return the parts of a message: the JSON header, then each array's buffer (C-contiguous)."""
    return [message.model_dump_json().encode(), *arrays]


def decode(parts: list[bytes] | list[Any]) -> tuple[Any, list[Any]]:
    """Return header and array parts. Raises BadMessage."""
    try:
        return _ADAPTER.validate_json(bytes(parts[0])), list(parts[1:])
    except (ValueError, IndexError) as error:
        raise BadMessage(f"not a message: {str(error)[:200]}") from None
