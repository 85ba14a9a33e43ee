"""What `annealscope analyze --help` says of each option. As light as `app`."""

from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[
    str,
    typer.Argument(
        metavar="PATH",
        help="A run folder, a hold file, or a stack: movie.npy, movie.tif, movie.h5::dataset; "
        "with the extra `export` also .hspy .mrc .emd .dm3 .dm4 .ser.",
    ),
]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", help="Write the results into this file instead.")
]
Period = Annotated[
    str | None,
    typer.Option(help='Stacks: time from frame to frame, e.g. "2 s"; default: from the file, if it says.'),
]
Pixel = Annotated[
    str | None,
    typer.Option(help='Stacks: size of a pixel, e.g. "0.165 nm"; default: from the file, if it says.'),
]
Aperture = Annotated[
    str | None,
    typer.Option(
        help='Stacks: radius of the objective aperture, e.g. "0.726 1/nm"; default: from the speckles.'
    ),
]
Offset = Annotated[float | None, typer.Option(help="Stacks: counts without any electron; default: 0.")]
Gain = Annotated[float | None, typer.Option(help="Stacks: counts per electron; default: 1.")]
Drift = Annotated[bool, typer.Option(help="Stacks: measure and correct drift.")]
FrameSpan = Annotated[
    str | None, typer.Option("--frames", metavar="A:B", help="Frames A to B - 1 only, counted from 0.")
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        metavar="A:B", help="Leave out frames A to B - 1; time goes on. May be given several times."
    ),
]
Roi = Annotated[
    str | None, typer.Option(metavar="Y0:Y1,X0:X1", help="These rows and columns of pixels only.")
]
Bin = Annotated[int, typer.Option(min=1, metavar="N", help="Add up the counts of N x N pixels first.")]
Exact = Annotated[
    bool, typer.Option("--exact", help="Correlate exactly, all frames in memory; not by multi-tau.")
]
