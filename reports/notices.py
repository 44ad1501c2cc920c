"""Close a screen: what a reader must know, what could not be measured and why, what to do next."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..configs.curve import Curve
from ..configs.machine import Machine, Notice
from .look import Line, Look, Section, Span, flow, joined
from .verdicts import finding_sentences, grouped, sentence_lines

_FEW_NOTICES, _FEW_FINDINGS, _FEW_REASONS = 4, 4, 6
_PART = 24  # characters: a longer beginning is a sentence, not the name of a part


def notice_section(machine: Machine, look: Look) -> Section:
    """Each notice with why it matters and what to try; then the verdicts that do not agree, and oddities."""
    shown = machine.notices if look.full else machine.notices[:_FEW_NOTICES]
    lines: list[Line] = []
    for notice in shown:
        lines += _notice_lines(notice, look)
    sentences = finding_sentences(machine, look)
    few = sentences if look.full else sentences[:_FEW_FINDINGS]
    lines += sentence_lines(few, look, "")
    left = len(machine.notices) - len(shown) + len(sentences) - len(few)
    return Section((*lines, *_more(left, look)))


def _notice_lines(notice: Notice, look: Look) -> list[Line]:
    topic = notice.topic if re.fullmatch(r"[a-z0-9-]{1,40}", notice.topic) else ""
    lines = flow(look.prose(notice.what), look, first="! ", rest="  ", style="warn")
    text = look.prose(notice.why)
    if notice.hint:
        text = f"{text}{'' if text.endswith(('.', '!', '?')) else '.' * bool(text)} Try: {look.prose(notice.hint)}".strip()
    if topic:
        text += ("" if not text or text.endswith((".", "!", "?")) else ".") + f" See `mmbench explain {topic}`."
    return lines + flow(text, look, first="  ", rest="  ")


def reason_section(reasons: Sequence[tuple[str, str]], machine: Machine, look: Look) -> Section:
    """`– subject: reason` for each probe that did not run or saw nothing, each value that is missing on this screen, and the rest."""
    pairs = [(f"probe {look.word(name, 24)}", look.prose(why) or "not run") for name, why in machine.not_run.items()]
    blind = [pair for label, curve in machine.curves.items() if not curve.points for pair in _missing(label, curve, look)]
    partly = [pair for label, curve in machine.curves.items() if curve.points for pair in _missing(label, curve, look)]
    said = {why for _, why in reasons}
    every = [*grouped([*pairs, *blind]), *grouped(reasons), *grouped([pair for pair in partly if pair[1] not in said])]
    shown = every if look.full else every[:_FEW_REASONS]
    lines = sentence_lines([(look.missing, subject, why) for subject, why in shown], look, "dim")
    return Section((*lines, *_more(len(every) - len(shown), look)))


def _missing(label: str, curve: Curve, look: Look) -> list[tuple[str, str]]:
    """What the probe itself says that it could not do; `part: why` with the part as subject, so that many parts make one line."""
    name = look.word(label, 24)
    pairs = []
    for sentence in curve.missing:
        said = look.prose(sentence).removeprefix(f"{name.replace('-', ' ')}: ")
        part, colon, why = said.partition(": ")
        pairs.append((f"{name} {part}", why) if colon and len(part) <= _PART else (name, said))
    return pairs


def _more(left: int, look: Look) -> list[Line]:
    return [(Span(look.own(f"  … and {left} more: mmbench show --full"), "dim"),)] if left > 0 else []


def next_section(machine: Machine, look: Look) -> Section:
    """What a reader may want now."""
    topic = next((n.topic for n in machine.notices if re.fullmatch(r"[a-z0-9-]{1,40}", n.topic)), "verdicts")
    commands = [f"mmbench explain {topic}", "mmbench export csv" if look.full or not machine.notices else "mmbench doctor"]
    if not look.full:
        commands.insert(0, "mmbench show --full")
    return Section(tuple((Span(line[0].text, "dim"),) for line in joined([f"next: {commands[0]}", *commands[1:]], look)))
