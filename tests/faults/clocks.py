"""A clock whose time of day jumps, as that of a computer does that was set wrong."""

from annealscope.drivers.clock import VirtualClock

DAY_S = 86_400.0


class JumpingClock(VirtualClock):
    """Virtual time; the time of day is shifted from given moments on.

    Parameters
    ----------
    jumps_s
        (when on the run's clock, by how much) in order.
    """

    def __init__(self, jumps_s: tuple[tuple[float, float], ...]) -> None:
        super().__init__(1_795_000_000.0)
        self._jumps_s = jumps_s

    def wall(self) -> float:
        """The time of day, with all shifts so far."""
        now_s = self.monotonic()
        return super().wall() + sum(shift_s for from_s, shift_s in self._jumps_s if now_s >= from_s)
