"""The place of a frame on the regular time grid of its segment."""


class SlotCounter:
    """slot_n = slot_(n-1) + max(1, round(dt / period)), from 0 in each segment."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._segment: int | None = None
        self._slot = 0
        self._t_s = 0.0

    def place(self, t_start_s: float, segment: int) -> int:
        """Return the slot of the next frame."""
        if segment != self._segment:
            self._segment, self._slot = segment, 0
        else:
            self._slot += max(1, round((t_start_s - self._t_s) / self._period_s))
        self._t_s = t_start_s
        return self._slot
