"""A viewer in a process of its own: asks a live run what it does, fifty times a second, until it is struck.

``python viewer.py RUN``. Half of its questions it asks on a socket that it never reads from.
"""

import json
import sys
import time
from pathlib import Path

import zmq

ASK_EVERY_S = 0.02
FIND_WITHIN_S = 10.0
"""A run that is over by then has nothing to look at."""


def main() -> None:
    path = Path(sys.argv[1]) / "live.json"
    end_s = time.monotonic() + FIND_WITHIN_S
    while not path.exists():
        if time.monotonic() > end_s:
            return
        time.sleep(ASK_EVERY_S)
    live = json.loads(path.read_text(encoding="utf-8"))
    question = json.dumps({"token": live["token"], "request": "status"}).encode()
    context = zmq.Context()
    polite, rude = (context.socket(zmq.DEALER) for _ in range(2))
    for socket in (polite, rude):
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(live["endpoint"])
    while path.exists():
        for socket in (polite, rude):
            if socket.poll(0, zmq.POLLOUT):
                socket.send_multipart([b"", question])
        while polite.poll(round(1000 * ASK_EVERY_S)):
            polite.recv_multipart()


if __name__ == "__main__":
    main()
