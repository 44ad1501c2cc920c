"""The terminal screen of a machine: one string out of one record, the same wherever and whenever it is drawn.

Order: what it is and its conditions, the memory pyramid and curve, translation, streams, arithmetic, ceilings, cores; then in
one block at the end what to know, what is missing and why, and what to do next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..configs.machine import Machine
from .compute import compute_section, rate_section, roof_section, unit_section
from .cores import core_section
from .header import details_section, header_section, stamp_section
from .look import NARROWEST, WIDEST, Line, Look, Section, Span, paint
from .memory import bandwidth_section, curve_section, geometry_section, loaded_section, node_section, tlb_section
from .notices import next_section, notice_section, reason_section
from .pyramid import pyramid_sections
from .verdicts import claim_section, verdict_section


def machine_screen(machine: Machine, *, width: int = 80, color: bool = False, ascii_only: bool = False, full: bool = False) -> str:
    """The screen of `machine` in lines of at most `width` cells (60 to 200; other widths count as the nearest of these).

    `color` adds colour and no information, `ascii_only` draws the same with ASCII, `full` shows every row, verdict and
    condition. Strings of the machine are made harmless; nothing in a machine makes this fail.
    """
    look = Look(min(WIDEST, max(NARROWEST, width)), color, ascii_only, full)
    groups = [
        [header_section(machine, look), stamp_section(machine, look)],
        *([section] for section in pyramid_sections(machine, look)),
        [curve_section(machine, look), geometry_section(machine, look)],
        [tlb_section(machine, look)],
    ]
    if full:
        sections: tuple[Callable[[Machine, Look], Section], ...] = (
            bandwidth_section,
            loaded_section,
            node_section,
            compute_section,
            unit_section,
            core_section,
        )
        sections += (rate_section, roof_section, verdict_section, claim_section, details_section)
        groups += [[section(machine, look)] for section in sections]
    else:
        groups.append([bandwidth_section(machine, look), loaded_section(machine, look), node_section(machine, look)])
        groups.append([compute_section(machine, look), unit_section(machine, look)])
        groups.append([core_section(machine, look)])
    if not any(section.lines for group in groups[1:] for section in group):
        groups.append([Section(((Span("nothing was measured on this machine"),),))])
    reasons = [reason for group in groups for section in group for reason in section.reasons]
    groups += [[notice_section(machine, look), reason_section(reasons, machine, look)], [next_section(machine, look)]]
    return paint(_spaced(groups), look)


def _spaced(groups: Iterable[Iterable[Section]]) -> list[Line]:
    """Lines of all groups, with one empty line between groups that have any."""
    lines: list[Line] = []
    for group in groups:
        body = [line for section in group for line in section.lines]
        lines += [(), *body] if lines and body else body
    return lines
