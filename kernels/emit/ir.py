"""Write LLVM IR as text: the few phrases that all emitters share.

Everything emitted has one C signature, `void f(void *context, int64_t n)`: do `n` units of work on the operands that `context`
points to. `context` is an array of 64-bit slots (pointers and integers).
"""

from __future__ import annotations

from collections.abc import Sequence

# The register class in which an opaque value of each kind stays, per architecture (LLVM inline assembly constraints).
_VECTOR_REGISTER = {"x86_64": "v", "aarch64": "w", "riscv64": "^vr", "ppc64le": "^wa", "s390x": "v", "loongarch64": "f"}


def opaque(out: str, type_: str, value: str, arch: str, *, features: str = "") -> str:
    """A line that makes `%out` of `%value` without any instruction, and that LLVM cannot look through.

    It keeps a chain of equal operations from being folded or reassociated. The empty assembly text needs no parser, so it
    works for every target. `features` are the target features in force: without AVX-512 the class `v` has 16 registers anyway.
    """
    vector = type_.startswith("<")
    if vector and arch == "riscv64" and "vscale" not in type_:
        # LLVM 22 crashes over a vector of fixed length in inline assembly there; this keeps arithmetic apart without any.
        return f"  {out} = freeze {type_} {value}"
    floating = type_ in ("float", "double", "half", "bfloat")
    register = _VECTOR_REGISTER.get(arch, "r") if vector or floating else "r"
    if floating and arch == "riscv64":
        register = "f"
    if register == "v" and arch == "x86_64" and "avx512" not in features:
        register = "x"
    return f'  {out} = call {type_} asm sideeffect "", "={register},0"({type_} {value})'


def slot(out: str, index: int, type_: str = "ptr", context: str = "%context") -> str:
    """Lines that load slot `index` of the context into `%out`."""
    return f"  {out}.slot = getelementptr i64, ptr {context}, i64 {index}\n  {out} = load {type_}, ptr {out}.slot, align 8"


def set_slot(index: int, type_: str, value: str, context: str = "%context") -> str:
    """Lines that store `%value` into slot `index`."""
    name = f"%set.{index}"
    return f"  {name} = getelementptr i64, ptr {context}, i64 {index}\n  store {type_} {value}, ptr {name}, align 8"


def counted_loop(
    name: str, count: str, carried: Sequence[tuple[str, str, str, str]], body: Sequence[str], *, entry: str = "entry", after: str = "done"
) -> str:
    """A loop that runs `%count` (> 0) times.

    `carried` lists (type, name inside, initial value, value at the end of the body) of the variables that go round; `entry` is the
    block that jumps here, `after` the block that follows. The caller has ended `entry` with a branch to `%name`.
    """
    lines = [f"{name}:", f"  %{name}.left = phi i64 [ {count}, %{entry} ], [ %{name}.next, %{name} ]"]
    lines += [f"  {inside} = phi {type_} [ {first}, %{entry} ], [ {last}, %{name} ]" for type_, inside, first, last in carried]
    lines += body
    lines += [
        f"  %{name}.next = sub i64 %{name}.left, 1",
        f"  %{name}.more = icmp ne i64 %{name}.next, 0",
        f"  br i1 %{name}.more, label %{name}, label %{after}",
    ]
    return "\n".join(lines)


def function(name: str, blocks: str, *, features: Sequence[str] = (), arguments: str = "ptr %context, i64 %n") -> str:
    """A function definition; `features` (`+avx512f`) hold for it beyond the module's target."""
    attributes = f' "target-features"="{",".join(features)}"' if features else ""
    return f"define void @{name}({arguments}) nounwind{attributes} {{\n{blocks}\n}}\n"


def chain_loop(arch: str, links: int = 64) -> str:
    """A function `void chain(ptr context, i64 n)`: n times `links` dependent additions of two registers, one cycle each.

    Register to register: additions of constants and moves are folded at rename by newer cores (Golden Cove, Zen 5), which
    would show a clock that is too high. The loop's own count-down runs beside the chain and costs nothing while a core
    can start two operations a cycle. Slot 0 gives the addend, slot 1 receives the sum.
    """
    body = []
    for i in range(links):
        body.append(f"  %s{i} = add i64 %x{i}, %step")
        body.append(opaque(f"%x{i + 1}", "i64", f"%s{i}", arch))
    blocks = "\n".join(
        [
            "entry:",
            slot("%step", 0, "i64"),
            "  br label %loop",
            counted_loop("loop", "%n", [("i64", "%x0", "%step", f"%x{links}")], body),
            "done:",
            set_slot(1, "i64", f"%x{links}"),
            "  ret void",
        ]
    )
    return function("chain", blocks)
