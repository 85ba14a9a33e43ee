"""What a device is.

Every call returns at once; what takes time returns an `Action` to poll. Positions and shifts are (y, x) in
nm, temperatures in K, times in s on the injected `Clock`. Structural typing: a driver need not import this.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

ActionState = Literal["running", "done", "failed", "cancelled"]
Quality = Literal["ok", "stale", "bad"]


class DeviceError(Exception):
    """A device refused, failed or fell silent: what, rule, value, where, what next."""


class LeaseLapsed(DeviceError):
    """Nobody renewed the lease of a heater in time: it was frozen, a ramp that was under way is cancelled."""


class HeaterTripped(DeviceError):
    """The guard of a heater has switched it off, and keeps it off until the trip is acknowledged."""


@dataclass(frozen=True)
class Reading:
    """One value read from a device."""

    value: float
    """In the unit that `Device.describe` gives for the channel."""

    t_s: float
    """When it was measured, on the run's clock."""

    quality: Quality = "ok"


@dataclass(frozen=True)
class Channel:
    """What a readable channel means."""

    units: str
    description: str


@dataclass(frozen=True)
class Location:
    """Where a holder is: the commanded and the measured temperature."""

    setpoint_K: float
    measured_K: float
    t_s: float
    """When `measured_K` was measured."""


Mode = Literal["tem_dark_field", "nanobeam", "diffraction"]


@dataclass(frozen=True)
class Optics:
    """A state of the column, as far as a measurement depends on it; None: it does not."""

    mode: Mode
    high_tension_kV: float
    magnification: float | None = None
    objective_aperture_um: float | None = None
    """Diameter."""
    ring_per_nm: float | None = None
    """Spatial frequency of the diffraction ring that a tilted dark-field image is made of."""
    probe_nm: float | None = None
    """FWHM of the probe's intensity on the specimen."""
    probe_current_pA: float | None = None
    camera_length_m: float | None = None
    dose_rate_per_nm2_s: float | None = None
    """Electrons on the specimen, as measured through vacuum."""
    normalize: bool = False
    """Normalise the lenses on the way, so that the same state is always reached from the same side."""


@dataclass(frozen=True)
class Region:
    """A place on the specimen."""

    number: int
    """Counts the regions of a run, from 1."""
    position_nm: tuple[float, float]
    """Of its centre, (y, x) of the stage."""
    thickness: float | None = None
    """In inelastic mean free paths; None: not measured."""


@dataclass(frozen=True)
class FrameSpec:
    """How frames are to be taken."""

    exposure_s: float
    period_s: float
    """Start to start; at least the exposure."""
    scan_yx_nm: tuple[tuple[float, float], ...] = ()
    """Positions of the probe, one for each frame, for which scan generator and camera run together."""
    beam_in_pause: bool = True
    """False: the shutter signal of the camera blanks the beam between exposures."""


@dataclass(frozen=True)
class Frame:
    """One camera frame."""

    data: npt.NDArray[np.uint16]
    """Raw counts, shape (ny, nx)."""

    seq: int
    """The camera's counter since `Camera.start`, from 0, lost frames included."""

    t_start_s: float
    """Start of the exposure on the run's clock."""

    exposure_s: float
    lost_before: int = 0
    """Frames lost between the previous delivered frame and this one."""

    scan_yx_nm: tuple[float, float] | None = None
    """Where the probe was, for a scan."""

    haadf: float | None = None
    """Signal of the annular dark-field detector during the exposure, in counts."""


class Action(Protocol):
    """Something that takes time."""

    def poll(self) -> ActionState:
        """Say how far it is; never blocks."""

    def cancel(self) -> None:
        """Stop it; returns at once, harmless when repeated."""


class Device(Protocol):
    """What every device can do."""

    name: str

    def open(self) -> None:
        """Connect; must not change the state of the hardware. Raises DeviceError."""

    def close(self) -> None:
        """Disconnect; must not change the state of the hardware."""

    def describe(self) -> Mapping[str, Channel]:
        """Name the channels that `read` returns."""

    def read(self) -> Mapping[str, Reading]:
        """Return the newest readings; never blocks."""

    def safe(self, why: str) -> None:
        """Go to the device's safe state now; harmless when repeated, never raises."""


@runtime_checkable
class Holder(Device, Protocol):
    """A heating holder; `read` has at least ``temperature`` in K. `safe` switches the heater off."""

    def check(self, target_K: float, rate_K_per_s: float) -> list[str]:
        """Say what this holder cannot do of a ramp; empty when it can. Touches nothing."""

    def ramp(self, target_K: float, rate_K_per_s: float) -> Action:
        """Start a ramp from the present setpoint; done means the controller's setpoint has arrived."""

    def hold_here(self) -> None:
        """Freeze the setpoint at its present value."""

    def switch_off(self) -> None:
        """Take the power off the heater."""

    def locate(self) -> Location:
        """Return setpoint and measured temperature."""


@runtime_checkable
class HandSet(Protocol):
    """What a holder has besides, when only the operator can set it, at a controller of its own.

    A ramp, `Holder.hold_here` and `Holder.switch_off` become orders to the operator; the newest stands.
    """

    @property
    def order(self) -> str:
        """What the operator has to do at the holder now, in words; empty: nothing."""

    def obeyed(self) -> None:
        """The operator has done it."""


@runtime_checkable
class Microscope(Device, Protocol):
    """The column, as far as a heating experiment needs it; `safe` blanks the beam."""

    def blank(self, on: bool) -> None:
        """Blank (True) or unblank the beam."""

    def shift_image(self, shift_nm: tuple[float, float]) -> None:
        """Set the absolute image-beam shift (y, x). Raises DeviceError beyond its range."""

    def image_shift_nm(self) -> tuple[float, float]:
        """Read the image-beam shift back."""

    def fresh_region(self, thickness: tuple[float, float] | None = None) -> Region:
        """Move to a region that has seen no beam, of a thickness between two limits (in mean free paths).

        Raises DeviceError when there is none left.
        """

    def region(self) -> Region:
        """Return where the beam is."""

    def check_optics(self, optics: Optics) -> list[str]:
        """Say what nobody can set of a state, neither this driver nor the operator. Touches nothing."""

    def set_optics(self, optics: Optics) -> Action:
        """Start to set what this driver can set of a state; what the operator sets is left alone."""

    def optics(self) -> Optics | None:
        """Read the present state back; None when it is not known."""

    def focus(self) -> Action:
        """Focus on a place beside the region, which is not exposed."""


@runtime_checkable
class Camera(Device, Protocol):
    """A camera that free-runs between `start` and `stop`; `safe` stops it."""

    shape: tuple[int, int]
    dtype: str

    def arm(self, spec: FrameSpec) -> None:
        """Prepare; no frame is taken. Raises DeviceError when it cannot."""

    def start(self) -> None:
        """Begin; the first exposure starts now with seq 0."""

    def next_frame(self, timeout_s: float = 0.0) -> Frame | None:
        """Return the next finished frame, or None when there is none within the timeout."""

    def stop(self) -> None:
        """End after the running exposure, which is discarded; harmless when repeated."""
