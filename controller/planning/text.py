"""Lines of text that break where people would break them."""

import re
import textwrap

_NO_BREAK = "\N{NO-BREAK SPACE}"
_IN_QUANTITY = re.compile(r"(?<=\d) (?=[A-Za-z%°])|(?<=±) ")


def wrapped(text: str, lead: str, width: int) -> list[str]:
    """Break a text into lines between words, but not between a number and its unit.

    Parameters
    ----------
    text
        One paragraph.
    lead
        What stands before the text; the lines after the first are indented by its length.
    width
        Most characters of a line; only a word that is longer makes a longer line.
    """
    lines = textwrap.wrap(
        _IN_QUANTITY.sub(_NO_BREAK, text),
        width,
        initial_indent=lead,
        subsequent_indent=" " * len(lead),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_NO_BREAK, " ") for line in lines]
