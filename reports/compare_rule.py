"""Judge a comparison by a rule of the user's: which cells of B are slower than A by more than a share, wrong, or gone."""

from __future__ import annotations

from dataclasses import dataclass

from ..configs.cases import Status
from ..configs.comparedoc import Apart, CompareDocument, Pair, Ruling
from ..configs.errors import Exit, UsageError
from ..configs.profiles import parse_share
from .cells import plural
from .compare_words import span_words, times
from .sweep_rows import FAILED

_FAILURES = tuple(status.value for status in FAILED)
_TIMED = (Status.OK.value, Status.NOISY.value)
WORDS = ("slower", *_FAILURES, "missing", "inconclusive")
USUAL = ("slower", *_FAILURES, "missing")  # what a share alone stands for: a cell that is gone or broken is never green
_HINT = f"a share such as 5%, alone or with words between commas: {', '.join(WORDS)}"


@dataclass(frozen=True, slots=True)
class Rule:
    """What fails: B slower than A by more than `share` of A's time, and what `words` name."""

    share: float
    words: tuple[str, ...]

    @property
    def share_words(self) -> str:
        """`5 %`."""
        return f"{100 * self.share:.3g} %"

    def sentences(self) -> list[str]:
        """The rule, with the exit code of each part."""
        failures = [word for word in _FAILURES if word in self.words]
        parts = []
        if failures or "missing" in self.words:
            which = [f"{_listed(failures)} in B and was not so in A"] if failures else []
            which += ["has a time in A and none in B that can be held against it"] if "missing" in self.words else []
            parts.append(f"4 if a cell {', or '.join(which)}")
        if "slower" in self.words:
            parts.append(f"1 if in a cell B takes more than {self.share_words} longer than A with its whole interval")
        if "inconclusive" in self.words:
            parts.append(f"3 if an interval reaches beyond {self.share_words} without lying there wholly")
        return parts


def parse_rule(text: str) -> Rule:
    """`5%` judges all that is usual, `5%,wrong,missing` these alone, `inconclusive` comes on top; UsageError for anything else."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    shares = [word for word in words if word[0].isdigit() or word[0] in ".-+" or word.endswith("%")]
    named = [word for word in words if word not in shares]
    for word in named:
        if word not in WORDS:
            raise UsageError(f"--fail-on: there is no '{word}'", _HINT)
    if len(shares) != 1:
        raise UsageError(f"--fail-on {text!r}: {'a share is missing' if not shares else 'one share is enough'}", _HINT)
    try:
        share = parse_share(shares[0])
    except UsageError as error:
        raise UsageError(f"--fail-on: {error.message}", error.hint) from None
    judged_by = {"slower", *named} if set(named) - {"inconclusive"} else {*USUAL, *named}
    return Rule(share, tuple(word for word in WORDS if word in judged_by))


def judged(document: CompareDocument, rule: Rule) -> Ruling:
    """What the rule finds. Where several parts of it fail, the exit code is that of the gravest: 4, then 1, then 3."""
    limit = 1 + rule.share
    slower = [pair for pair in document.pairs if pair.ratio.low > limit] if "slower" in rule.words else []
    near = [p for p in document.pairs if p.ratio.high > limit >= p.ratio.low] if "inconclusive" in rule.words else []
    broken = [each for each in document.apart if each.b in rule.words and each.b in _FAILURES and each.a != each.b]
    gone = [each for each in document.apart if _is_gone(each)]
    missing = gone if "missing" in rule.words else []
    code = Exit.BROKEN_KERNEL if broken or missing else Exit.REGRESSION if slower else Exit.INCONCLUSIVE if near else Exit.OK
    return Ruling(
        f"exit {'; '.join(rule.sentences())}",
        int(code),
        tuple(_slow_words(pair, document) for pair in slower),
        tuple(f"{_place(each.kernel, each.cell, document)}: {each.b} in B, {each.a} in A" for each in broken),
        tuple(f"{_place(each.kernel, each.cell, document)}: {each.words}" for each in missing),
        tuple(_slow_words(pair, document) for pair in near),
        _left_out(document, rule, gone),
    )


def _is_gone(each: Apart) -> bool:
    """Whether A has a time, and B nothing that could be held against it; what failed in B counts as failed."""
    return each.a in _TIMED and each.b not in _FAILURES


def _left_out(document: CompareDocument, rule: Rule, gone: list[Apart]) -> str:
    """What the rule does not look at although there is some of it."""
    failed = [each for each in document.apart if each.b in _FAILURES and each.a != each.b and each.b not in rule.words]
    parts = []
    if failed:
        parts.append(f"{plural(len(failed), 'cell')} that failed in B")
    if gone and "missing" not in rule.words:
        parts.append(f"{plural(len(gone), 'cell')} that A has and B lacks")
    return " and ".join(parts)


def _place(kernel: str, cell: str, document: CompareDocument) -> str:
    """The cell, and the kernel where the sides have several."""
    return cell if document.a.kernel else f"{kernel} {cell}"


def _slow_words(pair: Pair, document: CompareDocument) -> str:
    where = _place(pair.a.kernel, pair.cell, document)
    return f"{where}: {times(pair.ratio.value)} the time of A ({span_words(pair.ratio)})"


def _listed(failures: list[str]) -> str:
    verbs = {"wrong": "is wrong", "crashed": "crashed", "timeout": "timed out"}
    words = [verbs[word] for word in failures]
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
