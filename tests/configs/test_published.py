"""Published figures found for a machine by its numbers, else by its names, else not at all."""

from __future__ import annotations

import pytest
from mmbench.configs.facts import Fact, Scalar, reported, unknown
from mmbench.configs.machine import Machine
from mmbench.configs.published import chip_of


def machine(**words: Scalar | None) -> Machine:
    facts: dict[str, Fact[Scalar]] = {
        name: unknown("", "t", "not said") if value is None else reported(value, "", "t") for name, value in words.items()
    }
    return Machine(1, "m", identity=facts)


def test_an_x86_chip_is_found_by_family_and_model() -> None:
    chip = chip_of(machine(arch="x86_64", vendor="GenuineIntel", family=6, model=207, stepping=2))
    assert chip is not None
    assert chip.arch == "x86_64"
    assert "emerald" in " ".join((chip.key, chip.title, *chip.names)).lower()


def test_an_arm_chip_is_found_by_implementer_and_part() -> None:
    chip = chip_of(machine(arch="aarch64", vendor="ARM", family=0x41, model=0xD4F))
    assert chip is not None
    assert chip.arch == "aarch64"
    assert "neoverse-v2" in " ".join((chip.key, *chip.names)).lower().replace("_", "-")


def test_a_chip_without_numbers_is_found_by_a_name() -> None:
    chip = chip_of(machine(arch="aarch64", family=None, model=None, microarchitecture="neoverse_v2"))
    by_llvm = chip_of(machine(arch="aarch64", family=None, model=None, llvm_cpu="neoverse-v2"))
    assert chip or by_llvm
    assert chip is None or by_llvm is None or chip == by_llvm


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"arch": "x86_64"},
        {"arch": "x86_64", "vendor": "GenuineIntel", "family": None, "model": None},
        {"arch": "x86_64", "vendor": "NobodyEver", "family": 6, "model": 207},
        {"arch": "x86_64", "vendor": "GenuineIntel", "family": "6", "model": True},
        {"arch": "riscv64", "microarchitecture": "no such design"},
    ],
)
def test_nothing_is_guessed_for_an_unknown_chip(words: dict[str, Scalar | None]) -> None:
    assert chip_of(machine(**words)) is None
