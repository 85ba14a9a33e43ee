"""How many threads the compiled kernels of this process use."""

SMALL_FRAME_PX = 320 * 320
"""Below this, waking a second thread takes longer than it saves, most of all on a busy machine."""


def use_threads_for(shape: tuple[int, int]) -> None:
    """Choose for frames of a shape (ny, nx): one thread for small ones, else all there are."""
    import numba

    small = shape[0] * shape[1] <= SMALL_FRAME_PX
    numba.set_num_threads(1 if small else numba.config.NUMBA_NUM_THREADS)
