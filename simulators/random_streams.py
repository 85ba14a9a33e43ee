"""Named random streams: each device and each purpose draws from its own."""

import hashlib

import numpy as np


def stream(seed: int, name: str, seq: int = 0) -> np.random.Generator:
    """Return the generator of one stream at one place of it.

    The result depends on the arguments only, so nobody's draws can disturb anybody else's.

    Parameters
    ----------
    seed
        Seed of the run.
    name
        Purpose, e.g. ``"camera/shot"``.
    seq
        Place within the stream, >= 0: a frame, a time in microseconds, a block number.
    """
    key = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little"), counter=[0, 0, 0, seq]))


def microseconds(t_s: float) -> int:
    """Return a time as a place in a stream."""
    return round(t_s * 1e6)
