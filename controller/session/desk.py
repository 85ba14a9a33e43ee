"""Who answers requests from other processes while a run is on."""

from collections import OrderedDict
from dataclasses import asdict
from functools import partial
from typing import Any

from annealscope.controller.engine.commands import Answer, Command, CommandQueue
from annealscope.controller.engine.ports import Status

OTHER_PROCESS = "another process"
ANSWERS_KEPT = 64


class Desk:
    """Keeps the newest snapshot, and passes commands on to the engine.

    The engine answers a command at its next turn, so whoever gave it gets a number and asks for the answer:
    ``pause`` -> ``{"request": 7}``, then ``answer 7`` -> ``{"accepted": true, "why": ""}``, or ``{}`` while
    there is none.
    """

    def __init__(self, commands: CommandQueue) -> None:
        self._commands = commands
        self._newest: Status | None = None
        self._asked = 0
        self._answers: OrderedDict[int, Answer] = OrderedDict()

    def watch(self, status: Status) -> None:
        """Take a snapshot from the engine."""
        self._newest = status

    def answer(self, request: str) -> dict[str, Any]:
        """Answer a request. Raises ValueError for one that does not exist."""
        if request == "status":
            return asdict(self._newest) if self._newest else {"state": "arming"}
        verb, _, number = request.partition(" ")
        if verb == "answer":
            answer = self._answers.get(int(number))
            return {} if answer is None else asdict(answer)
        self._asked += 1
        self._commands.put(Command(request), OTHER_PROCESS, partial(self._keep, self._asked))
        return {"request": self._asked}

    def _keep(self, number: int, answer: Answer) -> None:
        self._answers[number] = answer
        while len(self._answers) > ANSWERS_KEPT:
            self._answers.popitem(last=False)
