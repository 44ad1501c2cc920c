"""Emit the loops that hand a cache line from one CPU to another and back.

Two modes. `cas`: both sides swap one word of one line, 0 to 1 and 1 to 0, by compare and exchange; each attempt takes the line for
writing. `flag`: each side writes a word of a line of its own (store release) and watches the other's (load acquire), as queues do.

No wait is without an end: it counts its attempts down, and looks at a stop word, so that a side whose partner never came gives up.
"""

from __future__ import annotations

from . import ir
from .target import Target

MODES = ("cas", "flag")
BOUNCE_SLOTS = 10
WARM_ROUNDS = 32  # before the first stamp of each burst: both sides awake, the line where it will be


def bounce_ir(mode: str, target: Target, read: str, declarations: str) -> str:
    """`void bounce(ptr context, i64 n)`: n bursts of round trips, each timed; one call for each side, at the same time.

    `read` is IR that makes `%{out}` of the timer (`timer.TimerRow.lines`). Slots: 0 the line this side writes, 1 the line it watches (the
    same in `cas` mode), 2 which side (0 begins), 3 round trips of a burst, 4 array of n pairs of stamps, 5 the stop word, 6 attempts
    allowed in one wait, 7 receives the bursts that were completed, 8 the first number (flag mode: above all used before).
    """
    if mode not in MODES:
        raise ValueError(f"no such mode: {mode}")
    del target  # atomics of LLVM IR: the same for every chip
    names: tuple[tuple[str, str], ...] = (("%mine", "ptr"), ("%theirs", "ptr"), ("%side", "i64"), ("%rounds", "i64"), ("%stamps", "ptr"))
    names += (("%stop", "ptr"), ("%patience", "i64"), ("%finished", "i64"), ("%number", "i64"))
    lines = ["entry:", *(ir.slot(name, i, kind) for i, (name, kind) in enumerate(names)), "  br label %burst"]
    lines += [
        "burst:",
        "  %i = phi i64 [ 0, %entry ], [ %i.next, %timed ]",
        "  %base = phi i64 [ %number, %entry ], [ %base.next, %timed ]",
    ]
    lines += ["  br label %warm", *_rounds("warm", str(WARM_ROUNDS), "%base", "burst", "warmed", mode)]
    lines += ["warmed:", read.format(out="%t0"), "  %base.warm = add i64 %base, " + str(WARM_ROUNDS), "  br label %hot"]
    lines += [*_rounds("hot", "%rounds", "%base.warm", "warmed", "timed", mode)]
    lines += ["timed:", read.format(out="%t1"), "  %pair = mul i64 %i, 2", "  %at0 = getelementptr i64, ptr %stamps, i64 %pair"]
    lines += ["  %at1 = getelementptr i64, ptr %at0, i64 1", "  store i64 %t0, ptr %at0", "  store i64 %t1, ptr %at1"]
    lines += ["  %i.next = add i64 %i, 1", "  %base.next = add i64 %base.warm, %rounds", ir.set_slot(7, "i64", "%i.next")]
    lines += ["  %again = icmp ult i64 %i.next, %n", "  br i1 %again, label %burst, label %done"]
    lines += ["lost:", "  store atomic i64 1, ptr %stop release, align 8", "  br label %done", "done:", "  ret void"]
    return ir.function("bounce", "\n".join(lines)) + declarations


def _rounds(name: str, count: str, base: str, entry: str, after: str, mode: str) -> list[str]:
    """Blocks of `count` round trips as seen from one side: begin with side 0's turn; jump to `after`, or to `lost`."""
    turn = _swap(name) if mode == "cas" else _flags(name, base)
    return [
        f"{name}:",
        f"  %{name}.k = phi i64 [ 0, %{entry} ], [ %{name}.next, %{name}.end ]",
        *turn,
        f"{name}.end:",
        f"  %{name}.next = add i64 %{name}.k, 1",
        f"  %{name}.more = icmp ult i64 %{name}.next, {count}",
        f"  br i1 %{name}.more, label %{name}, label %{after}",
    ]


def _wait(name: str, before: str, attempt: list[str], found: str, then: str) -> list[str]:
    """A wait: try until `found` is true; after each failure look at the stop word and count down."""
    return [
        f"  br label %{name}",
        f"{name}:",
        f"  %{name}.left = phi i64 [ %patience, %{before} ], [ %{name}.fewer, %{name}.on ]",
        *attempt,
        f"  br i1 {found}, label %{then}, label %{name}.failed",
        f"{name}.failed:",
        f"  %{name}.fewer = sub i64 %{name}.left, 1",
        f"  %{name}.spent = icmp eq i64 %{name}.fewer, 0",
        f"  %{name}.halt = load atomic i64, ptr %stop monotonic, align 8",
        f"  %{name}.halted = icmp ne i64 %{name}.halt, 0",
        f"  %{name}.ends = or i1 %{name}.spent, %{name}.halted",
        f"  br i1 %{name}.ends, label %lost, label %{name}.on",
        f"{name}.on:",
        f"  br label %{name}",
    ]


def _swap(name: str) -> list[str]:
    """Wait until the word says that it is this side's turn, and make it the other's, in one step."""
    spin = f"{name}.cas"
    attempt = [
        f"  %{spin}.other = xor i64 %side, 1",
        f"  %{spin}.pair = cmpxchg ptr %mine, i64 %side, i64 %{spin}.other acq_rel monotonic, align 8",
        f"  %{spin}.won = extractvalue {{ i64, i1 }} %{spin}.pair, 1",
    ]
    return _wait(spin, name, attempt, f"%{spin}.won", f"{name}.end")


def _flags(name: str, base: str) -> list[str]:
    """Side 0 writes the number, then waits for it; side 1 waits for it, then writes it."""
    lines = [f"  %{name}.sum = add i64 {base}, %{name}.k", f"  %{name}.first = icmp eq i64 %side, 0"]
    lines += [f"  br i1 %{name}.first, label %{name}.send, label %{name}.watch"]
    lines += [f"{name}.send:", f"  store atomic i64 %{name}.sum, ptr %mine release, align 8", f"  br label %{name}.watch", f"{name}.watch:"]
    spin = f"{name}.see"
    attempt = [
        f"  %{spin}.value = load atomic i64, ptr %theirs acquire, align 8",
        f"  %{spin}.same = icmp eq i64 %{spin}.value, %{name}.sum",
    ]
    lines += _wait(spin, f"{name}.watch", attempt, f"%{spin}.same", f"{name}.seen")
    lines += [f"{name}.seen:", f"  br i1 %{name}.first, label %{name}.end, label %{name}.answer"]
    return [*lines, f"{name}.answer:", f"  store atomic i64 %{name}.sum, ptr %mine release, align 8", f"  br label %{name}.end"]
