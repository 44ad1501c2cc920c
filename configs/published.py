"""Find the published figures for a machine that was identified."""

from __future__ import annotations

from .chips import Chip, find_chip
from .facts import Fact, Scalar
from .machine import Machine


def chip_of(machine: Machine, core_kind: str = "") -> Chip | None:
    """The chip's row in `configs/chips`, by its numbers and else by its names; None when nothing is published here."""
    facts = machine.identity
    vendor, family, model, stepping = (facts.get(key) for key in ("vendor", "family", "model", "stepping"))
    names = tuple(str(facts[key].value) for key in ("microarchitecture", "archspec", "llvm_cpu") if key in facts and facts[key].known)
    word = str(vendor.value) if vendor is not None and vendor.known else ""
    if facts.get("arch") is not None and facts["arch"].value == "x86_64":
        return find_chip(
            vendor=word, family=_number(family), model=_number(model), stepping=_number(stepping), names=names, core_kind=core_kind
        )
    return find_chip(implementer=_number(family), part=_number(model), names=names, core_kind=core_kind)


def _number(fact: Fact[Scalar] | None) -> int | None:
    return fact.value if fact is not None and isinstance(fact.value, int) and not isinstance(fact.value, bool) else None
