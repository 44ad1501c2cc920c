"""Describe the record that a generated product finds in slot STATE, and emit what all of its forms share: the entry functions.

`gemm(ptr arguments)` is one thread's product, `part(ptr arguments, ptr state)` that of a thread of several; both go through the problems
of the batch and call `blocks(ptr s, ptr own, ptr a, ptr b, ptr c, ptr residual)`, which each form of the product defines.
"""

from __future__ import annotations

from enum import IntEnum

from ...abi import Slot
from ..writer import Writer


class State(IntEnum):
    """Slots of the record that STATE points to: one for each thread. Sizes in elements; FIRST_* and LAST_* bound the thread's part of C."""

    PACK_A = 0
    PACK_B = 1
    SUMS = 2
    EDGE = 3
    MC = 4
    KC = 5
    NC = 6
    STEP_A = 7
    STEP_A_K = 8
    STEP_B = 9
    STEP_B_K = 10
    TABLE_A = 11
    TABLE_B = 12
    TABLE_SCALE_A = 13
    TABLE_SCALE_B = 14
    GROUPS_A = 15
    GROUPS_B = 16
    FIRST_M = 17
    LAST_M = 18
    FIRST_N = 19
    LAST_N = 20
    STRIPE = 21


STATE_SLOTS = 24
POINTERS = frozenset(slot for slot in State if slot.name.startswith(("PACK", "SUMS", "EDGE", "TABLE")))


def once(text: str) -> str:
    """Each declaration once: several parts need the same intrinsics."""
    lines, seen = [], set()
    for line in text.splitlines():
        if line.startswith("declare"):
            if line in seen:
                continue
            seen.add(line)
        lines.append(line)
    return "\n".join(lines) + "\n"


def scalar_slot(w: Writer, kind: str, slot: Slot) -> str:
    """The double in a slot, as the type that sums run in."""
    value = w.slot("%s", slot, "double")
    if kind == "double":
        return value
    return w.let(f"fptosi double {value} to i32" if kind == "i32" else f"fptrunc double {value} to float")


def entry_ir() -> str:
    """`gemm` and `part`: the problems of the batch, one after another."""
    text = ""
    for name, arguments in (("gemm", (("ptr", "s"),)), ("part", (("ptr", "s"), ("ptr", "own")))):
        w = Writer(name, arguments, internal=False)
        own = "%own" if name == "part" else w.slot("%s", Slot.STATE, "ptr")
        lists = [w.slot("%s", slot, "ptr") for slot in (Slot.LIST_A, Slot.LIST_B, Slot.LIST_C)]
        residual = w.slot("%s", Slot.RESIDUAL)
        first = w.load("i64", lists[2], 8)
        with w.loop(0, w.slot("%s", Slot.BATCH)) as problem:
            places = [w.load("ptr", w.at(listed, problem), 8) for listed in lists]
            place = w.load("i64", w.at(lists[2], problem), 8)
            added = w.let(f"inttoptr i64 {w.add(residual, w.sub(place, first))} to ptr")
            w.call("blocks", [("ptr", "%s"), ("ptr", own), *(("ptr", p) for p in places), ("ptr", added)])
        text += w.text()
    return text
