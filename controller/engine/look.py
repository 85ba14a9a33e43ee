"""A glance at each frame: a few of its pixels say whether it is new, and whether there is a beam."""

import math
import statistics
from collections import deque

import numpy as np
import numpy.typing as npt

from annealscope.drivers.interfaces import Frame

SAMPLED_EDGE = 32
"""About so many rows and columns of a frame are looked at."""
RECENT_FRAMES = 9
"""The brightness of a frame is compared with the median of so many before it ..."""
FEWEST_FRAMES = 5
"""... and with none before there are so many."""
SURE_SIGMA = 5.0
"""A frame that is darker by less than so many standard errors of its mean may be as bright as ever."""
RECOVERED_FRAMES = 20
"""A camera that was started again and has given so many frames, none like the one before it, is well."""


class FrameLook:
    """What the newest frames look like; one of it serves all acquisitions of a run.

    Parameters
    ----------
    dim_below
        A frame is dim below this share of the usual brightness.
    """

    def __init__(self, dim_below: float) -> None:
        self._dim_below = dim_below
        self.camera = ""
        """Name of the camera that runs, or ran last."""
        self.restarts = 0
        """How often the camera was started again because it was frozen, since it was well."""
        self.overdue_periods = 0.0
        """For how long no frame has come that was due; 0 while they come."""
        self.repeats = 0
        """So many of the newest frames have the pixels of the one before them."""
        self._fresh = 0
        """So many of the newest frames have not."""
        self.dim_frames = 0
        """So many of the newest frames are dim."""
        self.brightness = 1.0
        """Of the newest frame, as a share of the usual."""
        self._levels: deque[float] = deque(maxlen=RECENT_FRAMES)
        """Mean counts above the dark level, of frames that were not dim."""
        self._before: npt.NDArray[np.uint16] | None = None

    def begin(self, camera: str, first: bool) -> None:
        """A segment begins; with the first one of an acquisition nothing is known of the brightness."""
        self.camera = camera
        self.end()
        if first:
            self.restarts = 0
            self.forget_brightness()

    def end(self) -> None:
        """The camera is stopped: what was wrong with its frames is over."""
        self.overdue_periods, self.repeats, self.dim_frames, self._before = 0.0, 0, 0, None
        self._fresh = 0

    def forget_brightness(self) -> None:
        """Take the frames that come as the usual ones."""
        self._levels.clear()

    def see(self, frame: Frame, dark_counts: float) -> None:
        """Look at a frame.

        Parameters
        ----------
        frame
            The frame.
        dark_counts
            Counts of a pixel that no electron has reached.
        """
        self.overdue_periods = 0.0
        stride = max(1, min(frame.data.shape) // SAMPLED_EDGE)
        sample = frame.data[::stride, ::stride]
        counts = sample.astype(np.float64).ravel()
        mean = float(counts.sum()) / counts.size
        variance = max(float(counts @ counts) / counts.size - mean * mean, 0.0)
        self._compare(sample, variance > 0)
        self._judge(mean - dark_counts, math.sqrt(variance / counts.size))

    def _compare(self, sample: npt.NDArray[np.uint16], varied: bool) -> None:
        """Count repetitions; the empty frame of a detector that counts electrons says nothing."""
        same = varied and self._before is not None and np.array_equal(sample, self._before)
        self.repeats = self.repeats + 1 if same else 0
        self._before = sample.copy()
        self._fresh = 0 if same else self._fresh + 1
        if self._fresh >= RECOVERED_FRAMES:
            self.restarts = 0

    def _judge(self, level: float, error: float) -> None:
        """Compare a level with those before; a dim frame does not become the measure of others."""
        usual = statistics.median(self._levels) if len(self._levels) >= FEWEST_FRAMES else 0.0
        dim = level < self._dim_below * usual and usual - level > SURE_SIGMA * error
        self.dim_frames = self.dim_frames + 1 if dim else 0
        if dim:
            self.brightness = level / usual
        else:
            self._levels.append(level)
