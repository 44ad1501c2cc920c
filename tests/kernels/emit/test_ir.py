"""The phrases of emitted code: what they do when run, and what they become on other chips."""

from __future__ import annotations

import ctypes
import re

import numpy as np
import pytest
from mmbench.kernels.emit import ir
from mmbench.kernels.emit.jit import assembly, compile_ir
from mmbench.kernels.emit.target import Target

LINKS = 64
# target: one addition of the chain, with its result and its operands as groups where the form has them
ADDITIONS = {
    "haswell": r"addq\s+(?P<b>%\w+), (?P<out>%\w+)$",
    "skylake-avx512": r"addq\s+(?P<b>%\w+), (?P<out>%\w+)$",
    "znver5": r"addq\s+(?P<b>%\w+), (?P<out>%\w+)$",
    "neoverse-v2": r"add\s+(?P<out>x\d+), (?P<a>x\d+), (?P<b>x\d+)$",
    "apple-m4": r"add\s+(?P<out>x\d+), (?P<a>x\d+), (?P<b>x\d+)$",
    "spacemit-x60": r"add\s+(?P<out>\w+), (?P<a>\w+), (?P<b>\w+)$",
    "pwr10": r"add (?P<out>\d+), (?P<a>\d+), (?P<b>\d+)$",
    "la464": r"add\.d\s+(?P<out>\$\w+), (?P<a>\$\w+), (?P<b>\$\w+)$",
}


def longest_loop(text: str) -> list[str]:
    """The instructions of the longest stretch from a label to a branch back to it."""
    lines = [line.strip() for line in text.splitlines()]
    labels = {line.split(":")[0]: i for i, line in enumerate(lines) if re.match(r"\.?LBB\w+:", line)}
    loops = [
        (labels[word], i)
        for i, line in enumerate(lines)
        if ":" not in line
        for word in re.findall(r"\.?LBB\w+", line)
        if labels.get(word, i) < i
    ]
    start, end = max(loops, key=lambda span: span[1] - span[0])
    return [line for line in lines[start + 1 : end + 1] if not line.startswith((".", "#", ";", "//"))]


@pytest.mark.parametrize("name", ADDITIONS)
def test_the_chain_is_dependent_additions_and_nothing_else_touches_its_register(name: str) -> None:
    target = Target.named(name)
    loop = longest_loop(assembly(ir.chain_loop(target.arch, LINKS), target))
    found = [re.match(ADDITIONS[name], re.sub(r"\s*[#;/].*", "", line)) for line in loop]
    adds = [i for i, match in enumerate(found) if match]
    assert len(adds) == LINKS, "\n".join(loop)
    assert adds[-1] - adds[0] == LINKS - 1  # one after another
    previous = found[adds[-1]]
    for i in adds:
        match = found[i]
        assert match is not None
        assert previous is not None
        assert previous["out"] in (match.groupdict().get("a"), match.groupdict().get("b"), match["out"])
        previous = match
    chain = {found[i]["out"] for i in adds}  # type: ignore[index]
    others = [line for i, line in enumerate(loop) if i not in adds]
    assert len(others) <= 4
    if len(chain) == 1:
        (register,) = chain
        assert not any(re.search(rf"(?<![\w%$]){re.escape(register)}(?!\w)", line.split(None, 1)[-1]) for line in others), others


def test_a_counted_loop_carries_its_values_round() -> None:
    blocks = "\n".join(
        [
            "entry:",
            ir.slot("%first", 0, "i64"),
            "  br label %loop",
            ir.counted_loop("loop", "%n", [("i64", "%a", "0", "%b"), ("i64", "%b", "%first", "%c")], ["  %c = add i64 %a, %b"]),
            "done:",
            ir.set_slot(1, "i64", "%b"),
            ir.set_slot(2, "i64", "%loop.next"),
            "  ret void",
        ]
    )
    code = compile_ir(ir.function("fibonacci", blocks))
    slots = np.array([1, -1, -1], dtype=np.int64)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address("fibonacci"))(slots.ctypes.data, 10)
    assert list(slots) == [1, 55, 0]


@pytest.mark.parametrize(
    ("type_", "arch", "features", "register"),
    [
        ("i64", "x86_64", "", "r"),
        ("ptr", "aarch64", "", "r"),
        ("double", "x86_64", "", "x"),
        ("<16 x float>", "x86_64", "+avx512f", "v"),
        ("<4 x float>", "aarch64", "", "w"),
        ("<vscale x 2 x float>", "riscv64", "+v", "^vr"),
        ("<4 x float>", "ppc64le", "", "^wa"),
        ("<4 x float>", "unheard-of", "", "r"),
    ],
)
def test_an_opaque_value_stays_in_a_register_of_its_kind(type_: str, arch: str, features: str, register: str) -> None:
    line = ir.opaque("%b", type_, "%a", arch, features=features)
    assert line == f'  %b = call {type_} asm sideeffect "", "={register},0"({type_} %a)'


def test_a_fixed_vector_of_risc_v_is_kept_apart_without_inline_assembly() -> None:
    assert ir.opaque("%b", "<4 x float>", "%a", "riscv64") == "  %b = freeze <4 x float> %a"


def test_without_opaque_values_the_chain_would_be_folded() -> None:
    target = Target.named("haswell")
    plain = re.sub(r'%(x\d+) = call i64 asm sideeffect "", "=r,0"\(i64 (%s\d+)\)', r"%\1 = add i64 \2, 0", ir.chain_loop("x86_64", LINKS))
    assert "asm" not in plain
    assert assembly(plain, target).count("addq") < LINKS


def test_features_are_the_functions_own() -> None:
    text = ir.function("f", "entry:\n  ret void", features=("+avx2", "+fma"))
    assert '"target-features"="+avx2,+fma"' in text
    assert "target-features" not in ir.function("f", "entry:\n  ret void")
