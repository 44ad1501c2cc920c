"""Emit the micro-kernel: a tile of C from packed panels of A and B, all of its sums in registers.

`tile(ptr a, ptr b, i64 steps, ptr c, i64 ldc, T alpha, T beta, i1 read)`: a is [steps][mr][pair], b is [steps][nr][pair], c is mr rows of
nr sums, ldc in elements. c = alpha · sum, plus beta · c where `read`; without `read` c is never loaded. The loop's counters and pointers
are phis, so that the text needs no passes to be fast; LLVM's register allocator keeps all sums (a test counts spills).
"""

from __future__ import annotations

from ..target import Target
from .recipe import SUMS, Recipe


def tile_ir(recipe: Recipe, target: Target) -> str:
    """The function `tile`, and the intrinsics that it needs."""
    kind, _ = SUMS[recipe.sums]
    vector = f"<{recipe.lanes} x {kind}>"
    body = [
        "define internal void @tile(ptr %a0, ptr %b0, i64 %steps, ptr %c, i64 %ldc, "
        f"{kind} %alpha, {kind} %beta, i1 %read) nounwind noinline {{",
        "entry:",
    ]
    rows = range(recipe.mr)
    columns = range(recipe.vectors)
    for i in rows:
        body.append(f"  %o{i} = mul i64 %ldc, {i}")
        body.append(f"  %c{i} = getelementptr {kind}, ptr %c, i64 %o{i}")
        if recipe.prefetch_c:
            body.append(f"  call void @llvm.prefetch.p0(ptr %c{i}, i32 1, i32 3, i32 1)")
    body += [
        f"  %rounds = udiv i64 %steps, {recipe.unroll}",
        f"  %rest = urem i64 %steps, {recipe.unroll}",
        "  %any = icmp ne i64 %rounds, 0",
        "  br i1 %any, label %main, label %middle",
    ]
    body += _loop(recipe, target, "main", "%rounds", recipe.unroll, {"entry": "zero"}, "middle")
    merged = [f"  %m{i}.{j} = phi {vector} [ zeroinitializer, %entry ], [ %main.s{i}.{j}, %main ]" for i in rows for j in columns]
    body += ["middle:", *merged, "  %am = phi ptr [ %a0, %entry ], [ %main.a.next, %main ]"]
    body += ["  %bm = phi ptr [ %b0, %entry ], [ %main.b.next, %main ]"]
    body += ["  %more = icmp ne i64 %rest, 0", "  br i1 %more, label %tail, label %done"]
    body += _loop(recipe, target, "tail", "%rest", 1, {"middle": "merged"}, "done")
    body.append("done:")
    body += [f"  %d{i}.{j} = phi {vector} [ %m{i}.{j}, %middle ], [ %tail.s{i}.{j}, %tail ]" for i in rows for j in columns]
    body += _write(recipe, vector, kind)
    return "\n".join([*body, "}", ""]) + _declarations(recipe, target)


def _loop(recipe: Recipe, target: Target, name: str, count: str, unroll: int, before: dict[str, str], _after: str) -> list[str]:
    """One loop over k: its phis, `unroll` steps, and its end."""
    kind, _ = SUMS[recipe.sums]
    vector = f"<{recipe.lanes} x {kind}>"
    (block, start), *_ = before.items()
    lines = [f"{name}:", f"  %{name}.left = phi i64 [ {count}, %{block} ], [ %{name}.next, %{name} ]"]
    a_start, b_start = ("%a0", "%b0") if start == "zero" else ("%am", "%bm")
    lines.append(f"  %{name}.a = phi ptr [ {a_start}, %{block} ], [ %{name}.a.next, %{name} ]")
    lines.append(f"  %{name}.b = phi ptr [ {b_start}, %{block} ], [ %{name}.b.next, %{name} ]")
    sums = {}
    for i in range(recipe.mr):
        for j in range(recipe.vectors):
            first = "zeroinitializer" if start == "zero" else f"%m{i}.{j}"
            lines.append(f"  %{name}.i{i}.{j} = phi {vector} [ {first}, %{block} ], [ %{name}.s{i}.{j}, %{name} ]")
            sums[i, j] = f"%{name}.i{i}.{j}"
    for step in range(unroll):
        lines += _step(recipe, target, name, step, unroll, sums)
    size_a, size_b = (recipe.packed_bytes * recipe.pair * count_ for count_ in (recipe.mr, recipe.nr))
    lines += [
        f"  %{name}.a.next = getelementptr i8, ptr %{name}.a, i64 {size_a * unroll}",
        f"  %{name}.b.next = getelementptr i8, ptr %{name}.b, i64 {size_b * unroll}",
        f"  %{name}.next = sub i64 %{name}.left, 1",
        f"  %{name}.go = icmp ne i64 %{name}.next, 0",
        f"  br i1 %{name}.go, label %{name}, label %{'middle' if name == 'main' else 'done'}",
    ]
    return lines


def _step(recipe: Recipe, target: Target, name: str, step: int, unroll: int, sums: dict[tuple[int, int], str]) -> list[str]:
    """One step of k: load a row of B, broadcast each element of A, multiply and add."""
    kind, _ = SUMS[recipe.sums]
    vector = f"<{recipe.lanes} x {kind}>"
    narrow = f"<{recipe.lanes * 2} x i16>"
    loaded = narrow if recipe.pair == 2 else vector
    size = recipe.packed_bytes * recipe.pair
    lines = []
    if recipe.ahead and step == 0:
        lines.append(f"  %{name}.f = getelementptr i8, ptr %{name}.b, i64 {recipe.ahead}")
        lines.append(f"  call void @llvm.prefetch.p0(ptr %{name}.f, i32 0, i32 3, i32 1)")
    if recipe.ahead_a and step == 0:
        lines.append(f"  %{name}.g = getelementptr i8, ptr %{name}.a, i64 {recipe.ahead_a}")
        lines.append(f"  call void @llvm.prefetch.p0(ptr %{name}.g, i32 0, i32 3, i32 1)")
    for j in range(recipe.vectors):
        offset = (step * recipe.nr + j * recipe.lanes) * size
        lines.append(f"  %{name}.bp{step}.{j} = getelementptr i8, ptr %{name}.b, i64 {offset}")
        lines.append(f"  %{name}.b{step}.{j} = load {loaded}, ptr %{name}.bp{step}.{j}, align {size}")
    for i in range(recipe.mr):
        at, one, all_ = (f"%{name}.{word}{step}.{i}" for word in ("ap", "as", "av"))
        scalar = "i32" if recipe.pair == 2 else kind
        wide = f"<{recipe.lanes} x {scalar}>"
        lines.append(f"  {at} = getelementptr i8, ptr %{name}.a, i64 {(step * recipe.mr + i) * size}")
        lines.append(f"  {one} = load {scalar}, ptr {at}, align {size}")
        lines.append(f"  {all_}.i = insertelement {wide} poison, {scalar} {one}, i64 0")
        lines.append(f"  {all_} = shufflevector {wide} {all_}.i, {wide} poison, <{recipe.lanes} x i32> zeroinitializer")
        for j in range(recipe.vectors):
            last = f"%{name}.s{i}.{j}" if step == unroll - 1 else f"%{name}.s{step}.{i}.{j}"
            lines += multiply_add(recipe, target, last, sums[i, j], all_, f"%{name}.b{step}.{j}")
            sums[i, j] = last
    return lines


def multiply_add(recipe: Recipe, target: Target, out: str, acc: str, a: str, b: str) -> list[str]:
    """Lines for `out = acc + a · b`; where pairs are multiplied, `a` holds two 16-bit integers in each 32-bit lane."""
    kind, _ = SUMS[recipe.sums]
    vector = f"<{recipe.lanes} x {kind}>"
    if recipe.pair == 1:
        return [f"  {out} = call {vector} @llvm.fmuladd{_suffix(recipe)}({vector} {a}, {vector} {b}, {vector} {acc})"]
    narrow = f"<{recipe.lanes * 2} x i16>"
    lines = [f"  {out}.n = bitcast <{recipe.lanes} x i32> {a} to {narrow}"]
    intrinsic = pair_intrinsic(recipe, target)
    if intrinsic:
        lines.append(f"  {out}.p = call {vector} @{intrinsic}({narrow} {out}.n, {narrow} {b})")
    else:  # every other chip: widen, multiply, and add neighbours
        wide = f"<{recipe.lanes * 2} x i32>"
        even, odd = (", ".join(f"i32 {2 * x + side}" for x in range(recipe.lanes)) for side in (0, 1))
        lines += [f"  {out}.x = sext {narrow} {out}.n to {wide}", f"  {out}.y = sext {narrow} {b} to {wide}"]
        lines += [f"  {out}.q = mul {wide} {out}.x, {out}.y"]
        lines += [f"  {out}.e = shufflevector {wide} {out}.q, {wide} poison, <{recipe.lanes} x i32> <{even}>"]
        lines += [f"  {out}.o = shufflevector {wide} {out}.q, {wide} poison, <{recipe.lanes} x i32> <{odd}>"]
        lines += [f"  {out}.p = add {vector} {out}.e, {out}.o"]
    return [*lines, f"  {out} = add {vector} {acc}, {out}.p"]


def pair_intrinsic(recipe: Recipe, target: Target) -> str:
    """x86's multiply-and-add of pairs of 16-bit integers, by vector width; empty elsewhere."""
    if target.arch != "x86_64":
        return ""
    return {4: "llvm.x86.sse2.pmadd.wd", 8: "llvm.x86.avx2.pmadd.wd", 16: "llvm.x86.avx512.pmaddw.d.512"}.get(recipe.lanes, "")


def _suffix(recipe: Recipe) -> str:
    return f".v{recipe.lanes}{'f64' if recipe.sums == 'f64' else 'f32'}"


def _write(recipe: Recipe, vector: str, kind: str) -> list[str]:
    """alpha · sum, and beta · c where it is to be read."""
    multiply, add = ("mul", "add") if recipe.sums == "s32" else ("fmul", "fadd")
    zeros = f"<{recipe.lanes} x i32> zeroinitializer"
    lines = []
    for name in ("alpha", "beta"):
        lines.append(f"  %{name}.i = insertelement {vector} poison, {kind} %{name}, i64 0")
        lines.append(f"  %{name}.v = shufflevector {vector} %{name}.i, {vector} poison, {zeros}")
    for i in range(recipe.mr):
        for j in range(recipe.vectors):
            lines.append(f"  %r{i}.{j} = {multiply} {vector} %d{i}.{j}, %alpha.v")
            lines.append(f"  %w{i}.{j} = getelementptr {kind}, ptr %c{i}, i64 {j * recipe.lanes}")
    lines.append("  br i1 %read, label %update, label %fresh")
    size = SUMS[recipe.sums][1]
    for label in ("update", "fresh"):
        lines.append(f"{label}:")
        for i in range(recipe.mr):
            for j in range(recipe.vectors):
                value = f"%r{i}.{j}"
                if label == "update":
                    lines.append(f"  %l{i}.{j} = load {vector}, ptr %w{i}.{j}, align {size}")
                    lines.append(f"  %t{i}.{j} = {multiply} {vector} %l{i}.{j}, %beta.v")
                    lines.append(f"  %u{i}.{j} = {add} {vector} {value}, %t{i}.{j}")
                    value = f"%u{i}.{j}"
                lines.append(f"  store {vector} {value}, ptr %w{i}.{j}, align {size}")
        lines.append("  ret void")
    return lines


def _declarations(recipe: Recipe, target: Target) -> str:
    text = "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)\n" if recipe.prefetch_c or recipe.ahead or recipe.ahead_a else ""
    return text + pair_declarations(recipe, target)


def pair_declarations(recipe: Recipe, target: Target) -> str:
    """The intrinsic of `multiply_add`."""
    vector = f"<{recipe.lanes} x {SUMS[recipe.sums][0]}>"
    if recipe.pair == 1:
        return f"declare {vector} @llvm.fmuladd{_suffix(recipe)}({vector}, {vector}, {vector})\n"
    intrinsic = pair_intrinsic(recipe, target)
    narrow = f"<{recipe.lanes * 2} x i16>"
    return f"declare {vector} @{intrinsic}({narrow}, {narrow})\n" if intrinsic else ""
