"""How late the machine wakes a thread that only sleeps: what no program on it can do better."""

import threading
import time

NAP_S = 0.005


class Lateness:
    """Sleeps again and again, and remembers when it was woken late."""

    def __init__(self) -> None:
        self._late: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._nap, daemon=True)
        self._thread.start()

    def worst_s(self, from_s: float, to_s: float) -> float:
        """Return the longest delay between two times by `time.monotonic`."""
        return max((late_s for t_s, late_s in self._late if from_s <= t_s <= to_s), default=0.0)

    def end(self) -> None:
        """Stop napping."""
        self._over.set()
        self._thread.join()

    def _nap(self) -> None:
        while not self._over.is_set():
            due_s = time.monotonic() + NAP_S
            time.sleep(NAP_S)
            woken_s = time.monotonic()
            self._late.append((woken_s, woken_s - due_s))
