"""Write figures as files, and nothing outside the folder or file that was named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..configs.files import write_atomic
from .outputs import check_output

if TYPE_CHECKING:
    from ..reports.page.blocks import Section

FIGURE_FORMS = ("svg", "png", "pdf")


def write_figures(sections: Sequence[Section], folder: Path) -> int:
    """Every figure of the sections in every form, into `folder`, which is made; how many files. StoreError where one cannot be written."""
    from ..reports.figures.svg import file_of
    from ..reports.figures.theme import styled

    written = 0
    for section in sections:
        for figure in section.figures():
            drawn = styled(figure.draw)
            for form in FIGURE_FORMS:
                path = folder / f"{figure.file_name}.{form}"
                check_output(path, "--figures")
                write_atomic(path, file_of(drawn, form, figure.title))
                written += 1
    return written
