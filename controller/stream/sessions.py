"""What the analyst has open: a hold that is recorded, or a watch that is not."""

from pathlib import Path
from typing import Any

import numpy.typing as npt

from annealscope.analysis.drift_watch import DriftWatch
from annealscope.analysis.ecm import EcmAnalysis, EcmLive
from annealscope.analysis.fem import FemLive
from annealscope.analysis.preview import Progress
from annealscope.controller.analysis_setup import Analysis, analysis_of, block_of, watch_of
from annealscope.controller.record.block import block_of_rows
from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.holdlogs import HoldLogs
from annealscope.controller.stream import wire
from annealscope.controller.stream.messages import CloseHold, DriftRow, FrameHeader, Live, OpenHold, Preview

ROWS_AT_ONCE = 32
"""Frames read from the log before the parent is heard and told again."""


class HoldSession:
    """The analysis of one hold: every frame once, in the order of the log."""

    def __init__(self, opening: OpenHold) -> None:
        self.opening = opening
        self.analysis = analysis_of(opening)
        self.rows = 0
        """Frames analysed: also the next row to read from the log."""
        self.t_s = opening.t_settled_s
        """End of the newest of them, on the run's clock."""
        self.closing: CloseHold | None = None
        self._begin_s = self.t_s
        self._progress = Progress()
        self._next_seq = 0
        self._logs: HoldLogs | None = None

    @property
    def complete(self) -> bool:
        """Every frame that was recorded has been analysed."""
        return self.closing is not None and self.rows >= self.closing.frames

    def offer(self, header: FrameHeader, pixels: Any) -> list[DriftRow]:
        """Analyse a frame from the publisher, after those that were missed before it."""
        if header.hold != self.opening.hold or header.seq < self._next_seq:
            return []
        rows = [] if self._follows(header) else self.catch_up()
        if self._follows(header):
            rows += self._analyse(header, pixels)
        return rows

    def catch_up(self) -> list[DriftRow]:
        """Analyse the next frames that are in the log and have not been seen; not too many at a time."""
        rows = []
        try:
            if self._logs is None:
                self._logs = HoldLogs(Path(self.opening.folder) / "holds" / self.opening.name)
            end = min(self._logs.rows, self.rows + ROWS_AT_ONCE)
            while self.rows < end:
                rows += self._analyse(*self._logs.read(self.rows))
        except RecordError:  # not written yet: next time
            return rows
        return rows

    def live(self) -> Live:
        """Say in a few numbers what the record shows so far."""
        live = self.analysis.live()
        ecm = live if isinstance(live, EcmLive) else EcmLive(self.rows)
        fem = live if isinstance(live, FemLive) else FemLive(self.rows)
        if ecm.tau_s is not None and ecm.sigma_tau_s is not None:
            self._progress.add(self.t_s - self._begin_s, ecm.tau_s, ecm.sigma_tau_s)
        return Live(
            hold=self.opening.hold,
            frames=self.rows,
            tau_s=ecm.tau_s,
            beta=ecm.beta,
            sigma_tau_s=ecm.sigma_tau_s,
            V_max=fem.V_max,
            sigma_V_max=fem.sigma,
        )

    def preview(self) -> tuple[Preview, list[npt.NDArray[Any]]]:
        """Show what the record says so far, and how its live relaxation time went: a message, its arrays."""
        entries = list(wire.results_to_entries(self.analysis.preview() | self._progress.results()))
        preview = Preview(
            hold=self.opening.hold,
            name=self.opening.name,
            method=self.opening.method,
            frames=self.rows,
            t_s=self.t_s,
            entries=[part for part, _ in entries],
        )
        return preview, [array for _, array in entries if array is not None]

    def close(self) -> None:
        """Close the logs, so that the recorder can delete them."""
        if self._logs is not None:
            self._logs.close()

    def _follows(self, header: FrameHeader) -> bool:
        return header.seq - header.lost_before == self._next_seq

    def _analyse(self, header: FrameHeader, pixels: Any) -> list[DriftRow]:
        rows = _update(self.analysis, header, pixels)
        if self.rows == 0:
            self._begin_s = header.t_start_s
        self.rows += 1
        self.t_s = header.t_start_s + header.exposure_s
        self._next_seq = header.seq + 1
        return rows


class WatchSession:
    """The drift while nothing is recorded: frames as they come, none is ever missed but none is kept."""

    def __init__(self, opening: OpenHold) -> None:
        self.hold = opening.hold
        self._watch = watch_of(opening)

    def offer(self, header: FrameHeader, pixels: Any) -> list[DriftRow]:
        """Locate a frame."""
        return _update(self._watch, header, pixels) if header.hold == self.hold else []


def _update(analysis: Analysis | DriftWatch, header: FrameHeader, pixels: Any) -> list[DriftRow]:
    """Analyse one frame; return its displacement, if that is measured."""
    block = block_of(block_of_rows([(header, pixels)]))
    if not isinstance(analysis, EcmAnalysis | DriftWatch):
        analysis.update(block)
        return []
    (moved,) = analysis.update(block)
    return [DriftRow(hold=header.hold, seq=header.seq, **moved._asdict())]
