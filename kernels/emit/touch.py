"""Emit a walk that touches every line of a buffer once, in no order that a prefetcher follows, as fast as misses overlap."""

from __future__ import annotations

from . import ir


def touch_ir(name: str = "touch") -> str:
    """`void touch(ptr context, i64 n)`: in each of n consecutive groups of bytes, one load at each of a list of offsets.

    Slots: 0 the first group, 1 the bytes of a group, 2 the list of offsets (i64), 3 its length. The loads are independent.
    """
    body = [
        "  %entry.at = getelementptr i64, ptr %offsets, i64 %i",
        "  %offset = load i64, ptr %entry.at, align 8",
        "  %word = getelementptr i8, ptr %group, i64 %offset",
        "  %seen = load volatile i64, ptr %word, align 8",
        "  %i.next = add i64 %i, 1",
    ]
    lines = ["entry:", ir.slot("%base", 0), ir.slot("%bytes", 1, "i64"), ir.slot("%offsets", 2), ir.slot("%count", 3, "i64")]
    lines += ["  br label %next", "next:"]
    lines += ["  %left = phi i64 [ %n, %entry ], [ %left.less, %walked ]", "  %group = phi ptr [ %base, %entry ], [ %group.next, %walked ]"]
    lines += ["  br label %walk", ir.counted_loop("walk", "%count", [("i64", "%i", "0", "%i.next")], body, entry="next", after="walked")]
    lines += ["walked:", "  %group.next = getelementptr i8, ptr %group, i64 %bytes", "  %left.less = sub i64 %left, 1"]
    lines += ["  %more = icmp ne i64 %left.less, 0", "  br i1 %more, label %next, label %done", "done:", "  ret void"]
    return ir.function(name, "\n".join(lines))
