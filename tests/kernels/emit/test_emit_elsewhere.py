"""What `emit` prints for other chips: the code that would be timed there, or a sentence that says why there is none."""

from __future__ import annotations

import pytest
from mmbench.configs.errors import NotPossibleError
from mmbench.kernels import catalog
from mmbench.kernels.emit.target import Target


@pytest.mark.parametrize(
    ("width_bits", "chip"), [(256, "apple-m4"), (512, "neoverse-v2"), (512, "pwr10"), (512, "haswell"), (512, "la464")]
)
def test_a_width_that_the_chip_lacks_is_refused_in_words(width_bits: int, chip: str) -> None:
    with pytest.raises(NotPossibleError, match=f"{chip} has no vectors of {width_bits} bits"):
        catalog.emit(f"fma-{width_bits}", Target.named(chip))


def test_streams_of_riscv_use_registers_of_any_length_as_the_probe_does() -> None:
    text = catalog.emit("stream-triad", Target.named("spacemit-x60"))[1]
    assert "vl4re32.v" in text or "vl4r" in text
    assert "vsetivli" not in text


def test_a_broken_scheduling_model_is_passed_over() -> None:
    assert "ldr" in catalog.emit("stream-read", Target.named("oryon-1"))[1]


def test_code_that_ends_llvm_costs_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def aborts(_target: Target) -> str:
        kind = "<16 x float>"  # an operand that no register of this chip holds
        return f'define void @f(ptr %p) {{\n  %v = load {kind}, ptr %p\n  call void asm sideeffect "", "w"({kind} %v)\n  ret void\n}}\n'

    monkeypatch.setitem(catalog._LOOPS, "aborts", ("ends LLVM", aborts))
    with pytest.raises(NotPossibleError, match="LLVM makes no code of 'aborts' for apple-m4"):
        catalog.emit("aborts", Target.named("apple-m4"))


def test_no_line_of_build_attributes() -> None:
    assert ".attribute" not in catalog.emit("chase", Target.named("spacemit-x60"))[1]
