"""Write figures as files, and nothing outside the folder or file that was named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..configs.files import write_atomic

if TYPE_CHECKING:
    from ..reports.page.blocks import Figure, Section

FIGURE_FORMS = ("svg", "png", "pdf")


def file_name(figure: Figure) -> str:
    """The figure's name as a file name: letters, digits and hyphens, whatever the name holds."""
    return re.sub(r"[^a-z0-9]+", "-", figure.name.lower()).strip("-")[:80] or "figure"


def write_figures(sections: Sequence[Section], folder: Path) -> int:
    """Every figure of the sections in every form, into `folder`, which is made; how many files. StoreError where one cannot be written."""
    from ..reports.figures.svg import file_of
    from ..reports.figures.theme import styled

    written = 0
    for section in sections:
        for figure in section.figures():
            drawn = styled(figure.draw)
            for form in FIGURE_FORMS:
                write_atomic(folder / f"{file_name(figure)}.{form}", file_of(drawn, form))
                written += 1
    return written
