"""The section on method: warnings are sentences, and a variable is blamed only where a library that took part reads it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mmbench.configs.cases import Case
from mmbench.configs.machine import Machine, Notice
from mmbench.configs.sweepdoc import SweepDocument
from mmbench.reports.page.blocks import Points
from mmbench.reports.page.evidence import Evidence, arranged
from mmbench.reports.page.sections.method import method
from report_rows import answer, evidence_of
from synthetic_machine import synthetic_machine

NAME = "NVPL_BLAS_DEBUG_CPU_TYPE"


def warned(*readers: str) -> Evidence:
    """A machine with one override, and a sweep of two kernels of which these read it."""
    machine: Machine = synthetic_machine()
    machine = replace(
        machine,
        conditions=replace(machine.conditions, overrides={NAME: "7"}),
        notices=(
            Notice("huge pages act as small ones here", "translation steps appear at 96 pages", "ask for a host with huge pages."),
            Notice(f"set in the environment: {NAME}", "such variables change which code a library runs", "unset them", "overrides"),
        ),
    )
    evidence = evidence_of([answer(Case(64, 64, 64), kernel) for kernel in ("mkl@pip", "openblas@debian")], machine=machine)
    (subject,) = evidence.subjects
    sweep: SweepDocument = subject.sweeps[0]
    kernels = tuple(replace(k, overrides=(f"{NAME}=7",) if k.kernel in readers else ()) for k in sweep.kernels)
    return arranged([replace(subject, sweeps=(replace(sweep, kernels=kernels),))])


def points(evidence: Evidence) -> dict[str, Points]:
    return {block.title: block for block in method(evidence) if isinstance(block, Points)}


def test_a_warning_is_made_of_sentences() -> None:
    told = [text for _, text in points(warned())[""].items]
    assert "Huge pages act as small ones here: translation steps appear at 96 pages. Ask for a host with huge pages." in told


@pytest.mark.parametrize(
    ("readers", "title", "words"),
    [
        (("mkl@pip",), "Overrides in the environment", "is read by mkl: they may run other code"),
        ((), "Overrides in the environment that nobody here reads", "; no library that took part reads it"),
    ],
)
def test_an_override_is_blamed_on_those_who_read_it(readers: tuple[str, ...], title: str, words: str) -> None:
    found = {t: block for t, block in points(warned(*readers)).items() if t.startswith("Overrides")}
    assert list(found) == [title]
    assert found[title].kind == ("warn" if readers else "note")
    ((name, text),) = found[title].items
    assert name == f"{NAME}=7"
    assert words in text
    assert not any("such variables" in told for block in points(warned(*readers)).values() for _, told in block.items)
