"""Notices that a kernel is compiled, which takes some seconds, and happens once on a machine."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from numba.core import event


@contextmanager
def when_compiling(tell: Callable[[], None]) -> Iterator[None]:
    """Call ``tell`` once, when the first kernel has to be compiled inside this context.

    A kernel that is loaded from the cache of an earlier run is not compiled.
    """
    with event.install_listener("numba:compile", _First(tell)):
        yield


class _First(event.Listener):  # type: ignore[misc]
    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell: Callable[[], None] | None = tell

    def on_start(self, event: event.Event) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell()

    def on_end(self, event: event.Event) -> None:
        pass
