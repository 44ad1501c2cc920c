"""Judgements on cases with known answers, among them the ones that other people's published tables got wrong."""

from __future__ import annotations

import textwrap

import pytest
from mmbench.configs.chips import Chip, find_chip
from mmbench.configs.facts import Fact, measured, unknown
from mmbench.configs.machine import CacheClaim, Judgement, Verdict
from mmbench.configs.units import KIB, MIB
from mmbench.probes.judge import judge_cache, judge_latency, judge_operation_latency, judge_rate, judge_tlb


def chip(name: str, kind: str = "") -> Chip:
    found = find_chip(names=(name,), core_kind=kind)
    assert found is not None
    return found


def claim(source: str, size_bytes: int, level: int = 2, kind: str = "unified") -> CacheClaim:
    return CacheClaim(source, level, kind, size_bytes)


def size(value: int, low: float | None = None, high: float | None = None) -> Fact[int]:
    return measured(value, "B", "latency@1", low, high)


def per_cycle(value: float, low: float | None = None, high: float | None = None) -> Fact[float]:
    return measured(value, "1/cycle", "simd@1", low, high)


def rate(
    each: Fact[float], ops: float, core: Chip | None, *, op: str = "fma", dtype: str = "f32", width: int = 128, unit: str = "neon"
) -> tuple[Judgement, tuple[str, ...]]:
    done = measured(each.number() * ops, "op/cycle", "simd@1") if each.known else unknown("op/cycle", "simd@1", each.note)
    return judge_rate(
        unit=unit, op=op, dtype=dtype, width_bits=width, ops_per_instruction=ops, instr_per_cycle=each, op_per_cycle=done, chip=core
    )


# --- caches


@pytest.mark.parametrize("value", [48 * KIB, 46 * KIB, 50 * KIB])
def test_a_cache_within_five_percent_agrees(value: int) -> None:
    verdict, oddities = judge_cache("L1d", size(value), (claim("sysfs", 48 * KIB, 1, "data"),), chip("sapphirerapids"))
    assert verdict == Judgement(Verdict.AGREES, "48 KiB by sysfs")
    assert oddities == ()


def test_the_interval_is_what_is_widened() -> None:
    claims = (claim("sysfs", 2 * MIB), claim("cpuid.4", 2 * MIB))
    verdict, _ = judge_cache("L2", size(1700 * KIB, 1600 * KIB, 2000 * KIB), claims)
    assert verdict == Judgement(Verdict.AGREES, "2 MiB by sysfs, cpuid.4")
    assert judge_cache("L2", size(1700 * KIB, 1600 * KIB, 1800 * KIB), claims)[0].verdict is Verdict.CLAIM_LARGER


def test_emag_reaches_192_of_256_kib_as_published() -> None:
    verdict, oddities = judge_cache("L2", size(190 * KIB), (claim("sysfs", 256 * KIB),), chip("emag"))
    assert verdict.verdict is Verdict.CLAIM_LARGER
    assert "effective size 190 KiB of 256 KiB claimed by sysfs" in verdict.why
    assert "one core reaches 192 KiB" in verdict.why
    assert oddities == ()


@pytest.mark.parametrize(("name", "cause"), [("L1d", "small pages"), ("L2", "page colours"), ("L3", "sliced"), ("L4", "sliced")])
def test_a_larger_claim_names_the_usual_causes_of_that_level(name: str, cause: str) -> None:
    verdict, _ = judge_cache(name, size(8 * MIB), (claim("sysfs", 32 * MIB, int(name[1])),))
    assert verdict.verdict is Verdict.CLAIM_LARGER
    assert cause in verdict.why


@pytest.mark.parametrize(("name", "cause"), [("L1d", "hypervisor"), ("L2", "victims"), ("L3", "victim or exclusive")])
def test_a_smaller_claim_names_the_usual_causes_of_that_level(name: str, cause: str) -> None:
    verdict, _ = judge_cache(name, size(8 * MIB), (claim("sysfs", 1 * MIB, int(name[1])),))
    assert verdict.verdict is Verdict.CLAIM_SMALLER
    assert cause in verdict.why


def test_disagreeing_claims_are_listed_with_who_says_what() -> None:
    claims = (claim("sysfs", 32 * KIB, 1, "data"), claim("cpuid.4", 48 * KIB, 1, "data"), claim("getconf", 32 * KIB, 1, "data"))
    verdict, oddities = judge_cache("L1d", size(48 * KIB), claims, chip("emeraldrapids"))
    assert verdict == Judgement(Verdict.CLAIMS_DISAGREE, "cpuid.4: 48 KiB; sysfs, getconf: 32 KiB; measured fits cpuid.4")
    assert len(oddities) == 1
    assert "sysfs, getconf claims 32 KiB, published 48 KiB" in oddities[0]


def test_instruction_caches_and_empty_claims_do_not_count() -> None:
    claims = (claim("sysfs", 64 * KIB, 1, "instruction"), claim("cpuid.4", 0, 1, "data"))
    assert judge_cache("L1d", size(48 * KIB), claims)[0].verdict is Verdict.NO_CLAIM


def test_without_a_claim_the_published_size_still_raises_a_hand() -> None:
    verdict, oddities = judge_cache("L2", size(1 * MIB), (), chip("sapphirerapids"))
    assert verdict.verdict is Verdict.NO_CLAIM
    assert "published 2 MiB" in oddities[0]
    assert judge_cache("L2", size(2 * MIB), (), chip("sapphirerapids"))[1] == ()


def test_a_size_that_could_not_be_had_keeps_its_reason() -> None:
    verdict, _ = judge_cache("L3", unknown("B", "latency@1", "memory limit below the claim"), (claim("sysfs", 320 * MIB, 3),))
    assert verdict == Judgement(Verdict.NOT_MEASURABLE, "memory limit below the claim")


def test_a_claim_that_no_variant_has_is_odd_and_one_that_a_variant_has_is_not() -> None:
    core = chip("neoverse-v2")
    assert judge_cache("L2", size(1 * MIB), (claim("sysfs", 1 * MIB),), core)[1] == ()
    (odd,) = judge_cache("L2", size(4 * MIB), (claim("sysfs", 4 * MIB),), core)[1]
    assert "published 1 MiB, 2 MiB" in odd


# --- latency


def test_a_chain_below_three_cycles_is_a_flag_on_any_chip() -> None:
    for core in (None, chip("apple-m2", "P")):
        (odd,) = judge_latency("L1d", per_cycle(1.9), core)
        assert "predictor" in odd


def test_a_core_of_three_cycles_may_read_a_little_less() -> None:
    assert judge_latency("L1d", per_cycle(2.98), None) == ()


@pytest.mark.parametrize(("value", "odd"), [(4.6, False), (5.0, False), (5.4, False), (5.6, True), (4.4, True)])
def test_l1_latency_within_half_a_cycle(value: float, odd: bool) -> None:
    assert bool(judge_latency("L1d", per_cycle(value), chip("emeraldrapids"))) is odd


@pytest.mark.parametrize(("value", "odd"), [(11.5, False), (16.0, False), (18.7, False), (18.8, True), (11.0, True)])
def test_l2_latency_within_a_quarter(value: float, odd: bool) -> None:
    assert bool(judge_latency("L2", per_cycle(value), chip("emeraldrapids"))) is odd


def test_latency_is_not_judged_where_nothing_is_known() -> None:
    assert judge_latency("L3", per_cycle(300), chip("emeraldrapids")) == ()
    assert judge_latency("L1d", per_cycle(9), None) == ()
    assert judge_latency("L1d", unknown("cycles", "latency@1", "no clock"), chip("zen4")) == ()


def test_the_latency_of_an_instruction_has_half_a_cycle() -> None:
    core = chip("zen4")
    assert judge_operation_latency("fma", "f64", 256, "fma", per_cycle(4.2), core) == ()
    (odd,) = judge_operation_latency("fma", "f64", 256, "fma", per_cycle(5.0), core)
    assert "published 4" in odd
    assert judge_operation_latency("fma", "f64", 256, "fma", per_cycle(5.0), None) == ()


# --- rates


def test_a_full_rate_agrees_and_nothing_is_odd() -> None:
    verdict, oddities = rate(per_cycle(1.99), 32, chip("emeraldrapids"), width=512, unit="avx512f")
    assert verdict.verdict is Verdict.AGREES
    assert "published 64 or 32" in verdict.why
    assert oddities == ()


def test_a_part_with_one_unit_agrees_and_says_so() -> None:
    verdict, _ = rate(per_cycle(1.0), 32, chip("skylake-avx512"), width=512, unit="avx512f")
    assert verdict.verdict is Verdict.AGREES
    assert "one 512-bit unit" in verdict.why


def test_graviton_3e_as_cpufp_printed_it_is_half_of_what_the_core_has() -> None:
    verdict, oddities = rate(per_cycle(2.0), 8, chip("neoverse-v1"))
    assert verdict.verdict is Verdict.CLAIM_LARGER
    assert "16.0 op/cycle, published 32" in verdict.why
    assert oddities == ("50 % of the published 32 op/cycle: fewer pipes than the core has, or a part with fewer units",)


def test_graviton_3e_f64_lies_between_pipes() -> None:
    _, oddities = rate(per_cycle(13.8 / 4), 4, chip("neoverse-v1"), dtype="f64")
    assert oddities[0].startswith("fma: 3.45 instructions a cycle: between 3 and 4 pipes: throttled")


def test_the_example_of_the_brief() -> None:
    verdict, oddities = rate(per_cycle(1.62), 32, None, width=512)
    assert verdict == Judgement(Verdict.NO_CLAIM, "1.62 instructions a cycle; no published rate of this core")
    assert oddities == ("fma: 1.62 instructions a cycle: between 1 and 2 pipes: throttled, a busy sibling thread, or a clock that moved",)


def test_an_interval_that_covers_whole_pipes_is_enough_unless_it_is_too_wide() -> None:
    assert rate(per_cycle(1.9, 1.8, 2.01), 32, None)[1] == ()
    assert "between 1 and 2" in rate(per_cycle(1.9, 1.88, 1.92), 32, None)[1][0]
    (odd,) = rate(per_cycle(1.9, 1.2, 2.4), 32, None)[1]
    assert "too wide to judge" in odd


@pytest.mark.parametrize(
    ("each", "words"), [(1.0, "1 pipe"), (3.95, "4 pipes"), (0.5, "one instruction in 2 cycles"), (0.0625, "one instruction in 16 cycles")]
)
def test_whole_pipes_and_simple_fractions_are_named(each: float, words: str) -> None:
    verdict, oddities = rate(per_cycle(each), 8, None)
    assert verdict.why.startswith(words)
    assert oddities == ()


def test_what_cannot_be_told_apart_is_not_judged_and_the_impossible_is() -> None:
    assert rate(per_cycle(0.041), 8, None)[1] == ()
    assert "more than 8 pipes" in rate(per_cycle(11.3), 8, None)[1][0]


def test_a_mix_shares_pipes_unevenly_and_is_not_held_to_whole_ones() -> None:
    assert rate(per_cycle(2.65), 6, None, op="fma+add", dtype="f64", width=256, unit="fma")[1] == ()
    assert "more than 8 pipes" in rate(per_cycle(9.5), 6, None, op="fma+add")[1][0]


def test_above_the_published_rate_is_an_error_report() -> None:
    verdict, oddities = rate(per_cycle(4.0), 16, chip("zen4"), width=256, unit="fma")
    assert verdict.verdict is Verdict.CLAIM_SMALLER
    assert "clock read too low" in oddities[-1]


def test_between_two_variants_is_below_the_full_one() -> None:
    verdict, oddities = rate(per_cycle(1.5), 32, chip("zen5"), width=512, unit="avx512f")
    assert verdict.verdict is Verdict.CLAIM_LARGER
    assert "75 % of the published 64" in oddities[-1]


def test_a_tile_instruction_is_found_by_its_unit() -> None:
    verdict, oddities = rate(per_cycle(1 / 16), 32768, chip("sapphirerapids"), op="mma", dtype="int8", width=8192, unit="amx_int8")
    assert verdict.verdict is Verdict.AGREES
    assert oddities == ()


def test_rates_that_do_not_follow_from_the_instructions_are_odd() -> None:
    done = measured(20.0, "op/cycle", "simd@1")
    _, oddities = judge_rate(
        unit="fma", op="fma", dtype="f64", width_bits=256, ops_per_instruction=8, instr_per_cycle=per_cycle(2), op_per_cycle=done, chip=None
    )
    assert "two clocks, or a miscount" in oddities[0]


def test_a_rate_without_a_clock_is_not_measurable() -> None:
    verdict, oddities = rate(unknown("1/cycle", "simd@1", "no clock here"), 8, chip("zen4"))
    assert verdict == Judgement(Verdict.NOT_MEASURABLE, "no clock here")
    assert oddities == ()


# --- TLBs


def entries(value: int, low: float | None = None, high: float | None = None) -> Fact[int]:
    return measured(value, "entries", "tlb@1", low, high)


def test_golden_cove_reaches_some_1600_of_2048_entries() -> None:
    verdict, oddities = judge_tlb("l2", 4096, entries(1580, 1536, 1664), (), chip("sapphirerapids"))
    assert verdict.verdict is Verdict.CLAIM_LARGER
    assert "1580 of 2048 entries" in verdict.why
    assert "data reaches 1600" in verdict.why
    assert oddities == ()


def test_a_claim_unlike_the_published_row_is_odd() -> None:
    verdict, oddities = judge_tlb("l1d", 4096, entries(96), (("cpuid.18", 64),), chip("sapphirerapids"))
    assert verdict.verdict is Verdict.CLAIM_SMALLER
    assert oddities == ("cpuid.18 claims 64 entries, published 96 for Sapphire Rapids (Golden Cove, server)",)


def test_a_tlb_for_every_page_size_serves_as_row() -> None:
    for page in (4096, 65536, 2 * MIB):
        assert judge_tlb("l1d", page, entries(48), (), chip("neoverse-v2"))[0].verdict is Verdict.AGREES


def test_tlb_verdicts_without_a_chip() -> None:
    assert judge_tlb("l1d", 4096, entries(64))[0].verdict is Verdict.NO_CLAIM
    assert judge_tlb("l1d", 4096, entries(64), (("cpuid.18", 64),))[0].verdict is Verdict.AGREES
    assert judge_tlb("l2", 4096, entries(900), (("cpuid.18", 1536),))[0].verdict is Verdict.CLAIM_LARGER
    split = judge_tlb("l1d", 4096, entries(64), (("cpuid.18", 64), ("cpuid.2", 72)))[0]
    assert split == Judgement(Verdict.CLAIMS_DISAGREE, "cpuid.2: 72 entries; cpuid.18: 64 entries; measured fits cpuid.18")
    assert judge_tlb("l2", 4096, unknown("entries", "tlb@1", "no step was seen"))[0] == Judgement(
        Verdict.NOT_MEASURABLE, "no step was seen"
    )


# --- words


def test_every_sentence_is_short_enough_for_a_screen() -> None:
    core = chip("emeraldrapids")
    said: list[str] = []
    for verdict, oddities in (
        judge_cache("L3", size(64 * MIB), (claim("cpuid.8000001d", 320 * MIB, 3),), core),
        judge_cache("L2", size(8 * MIB), (claim("sysfs", 2 * MIB),), core),
        judge_tlb("l2", 4096, entries(1580), (), core),
        rate(per_cycle(1.62), 32, core, width=512, unit="avx512f"),
    ):
        said += [verdict.why, *oddities]
    assert said
    assert all(len(textwrap.wrap(text, 70)) <= 3 for text in said), [t for t in said if len(textwrap.wrap(t, 70)) > 3]


def test_three_micro_operations_on_two_pipes_are_two_thirds_and_not_between() -> None:
    each = measured(0.666, "instr/cycle", "simd@1", 0.664, 0.668)
    done = measured(5.33, "op/cycle", "simd@1", 5.31, 5.34)
    judgement, oddities = judge_rate(
        unit="avx512dq", op="mul", dtype="int64", width_bits=512, ops_per_instruction=8, instr_per_cycle=each, op_per_cycle=done, chip=None
    )
    assert oddities == ()
    assert "two instructions in 3 cycles" in judgement.why
