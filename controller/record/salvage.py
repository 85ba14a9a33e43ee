"""Every undamaged frame in the logs of a hold, also behind a damaged one: for checking and for repair.

The program itself reads a log up to its first damage, because after a crash of the recorder that is where the
frames begin that were never acknowledged. A bit that has rotted since stands before frames that were.
"""

from pathlib import Path
from typing import NamedTuple

from annealscope.controller.record.accounting import spans_of
from annealscope.controller.record.findings import Finding, Severity
from annealscope.controller.record.framelog import FrameLogReader, Pixels, RecordError
from annealscope.controller.record.holdlogs import all_logs, log_path
from annealscope.controller.stream.messages import FrameHeader, OpenHold


class _Place(NamedTuple):
    seq: int
    log: FrameLogReader
    row: int
    header: FrameHeader


class SalvagedLogs:
    """The undamaged frames of a hold, by their numbers, each once.

    Parameters
    ----------
    stem
        Path of the hold without suffix.

    Raises
    ------
    RecordError
        No log can be read.
    """

    def __init__(self, stem: Path) -> None:
        self.findings: list[Finding] = []
        """What is wrong with the logs; of severity ``notice`` is what a crash leaves at the end of one."""
        self._logs: list[FrameLogReader] = []
        self._places: list[_Place] = []
        paths = all_logs(stem)
        for number, path in enumerate(paths):
            if path != log_path(stem, number):
                self._find(log_path(stem, number), "is missing: there are later logs of this hold", "damage")
                break
        for path in paths:
            self._open(path)
        if not self._logs:
            raise RecordError(f"none of the frame logs of {stem.name} can be read")
        self.info: OpenHold = self._logs[0].info
        self._places = _each_once(self._places)
        self.headers = [place.header for place in self._places]
        """Of every frame, in order."""

    @property
    def rows(self) -> int:
        """How many frames there are."""
        return len(self._places)

    def read(self, row: int) -> tuple[FrameHeader, Pixels]:
        """Return one frame, see `FrameLogReader.read`."""
        place = self._places[row]
        return place.log.read(place.row)

    def header(self, row: int) -> FrameHeader:
        """Return the header of one frame."""
        return self.headers[row]

    @property
    def whole(self) -> bool:
        """Say whether nothing is wrong but what a crash leaves."""
        return all(finding.severity == "notice" for finding in self.findings)

    def close(self) -> None:
        """Close the files."""
        for log in self._logs:
            log.close()

    def _open(self, path: Path) -> None:
        try:
            log = FrameLogReader(path)
        except (RecordError, OSError) as error:
            self._find(path, f"cannot be read: {error}", "damage")
            return
        self._logs.append(log)
        rows = log.rows
        intact = [place for row in range(rows) if (place := _place(log, row)) is not None]
        self._places += intact
        self._judge(log, rows, [place.row for place in intact])

    def _judge(self, log: FrameLogReader, rows: int, intact: list[int]) -> None:
        """Tell damage from the end that a crash tears: nothing comes after that."""
        end = intact[-1] + 1 if intact else 0
        for span in spans_of(sorted(set(range(end)) - set(intact))):
            frames = str(span).replace("frame", "row")
            self._find(log.path, f"{frames} of {rows}: damaged, and undamaged ones come after", "damage")
        if end < rows or log.torn:
            self._find(log.path, f"torn behind its {end} frames, as a crash leaves a log", "notice")

    def _find(self, path: Path, what: str, severity: Severity) -> None:
        self.findings.append(Finding(path, what, severity))


def _place(log: FrameLogReader, row: int) -> _Place | None:
    try:
        header, _ = log.read(row)
    except (RecordError, OSError):  # OSError: a sector that cannot be read
        return None
    return _Place(header.seq, log, row, header)


def _each_once(places: list[_Place]) -> list[_Place]:
    """Return the frames by number; of one that was sent twice, after a crash, the first."""
    first: dict[int, _Place] = {}
    for place in places:
        first.setdefault(place.seq, place)
    return [first[seq] for seq in sorted(first)]
