"""A first run can say that it compiles; a later one has nothing to say."""

from numba import njit

from annealscope.analysis.compiling import when_compiling


def test_tells_once_when_kernels_are_compiled_and_not_when_they_are_there():
    @njit
    def double(x):
        return 2 * x

    told = []
    with when_compiling(lambda: told.append("compiling")):
        assert not told
        double(1)
        double(1.0)
    assert told == ["compiling"]
    with when_compiling(lambda: told.append("again")):
        double(1)
    assert told == ["compiling"]
