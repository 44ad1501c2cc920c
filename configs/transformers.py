"""Derive the matrix products of a transformer from its model card: a row of sizes gives the shapes of a layer, in prefill and in decode.

With T = batch · tokens rows, q = heads · head and g = kv · head (kv heads; fewer than heads where groups of them share keys and values):

    QKV (T, q + 2g, d)   key (T, g, d)        out (T, d, q)       up (T, ffn, d)      gate and up (T, 2·ffn, d)    down (T, d, ffn)
    scores: batch · heads times (S, S, head), B transposed        values: batch · heads times (S, head, S)         logits (batch, vocab, d)

In decode each of M sequences adds one token, so T = M; attention then reads L tokens of context, and the heads of a group are its rows:
M · kv times (heads / kv, L, head) and (heads / kv, head, L). Weights are named as in Vaswani et al. 2017 and Touvron et al. 2023.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .shapes import Shape
from .tables import Table


@dataclass(frozen=True, slots=True)
class NamedShape:
    """A shape, where it comes from in words, and the tags by which it is chosen (`llama-3-8b:decode+up`)."""

    shape: Shape
    origin: str
    tags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Transformer:
    """One model card. `gated`: the feed-forward part has a gate beside `up` (SwiGLU). `prefill` are (batch, tokens), `decode` numbers of
    sequences, `contexts` tokens that attention reads in decode. `vocab` is 0 for
    models that predict no next word: then there are no logits."""

    title: str
    d: int
    ffn: int
    heads: int
    head: int
    kv: int
    vocab: int
    gated: bool
    prefill: tuple[tuple[int, int], ...]
    decode: tuple[int, ...]
    contexts: tuple[int, ...]

    @staticmethod
    def read(table: Table) -> Transformer:
        """From a [model.NAME] table; UsageError with the place."""
        heads = table.whole("heads")
        made = Transformer(
            title=table.text("title"),
            d=table.whole("d"),
            ffn=table.whole("ffn"),
            heads=heads,
            head=table.whole("head"),
            kv=table.whole("kv", heads),
            vocab=table.whole("vocab") if "vocab" in table else 0,
            gated=table.truth("gated"),
            prefill=tuple(_prefill(table, text) for text in table.texts("prefill")),
            decode=table.wholes("decode"),
            contexts=table.wholes("contexts"),
        )
        if made.heads % made.kv:
            raise table.error("kv", f"must divide heads ({made.heads}), but is {made.kv}")
        return made

    def shapes(self) -> Iterator[NamedShape]:
        """All products of a layer and of the head, for each prefill and decode that the card lists."""
        for batch, tokens in self.prefill:
            where = f"batch {batch}, {tokens} tokens"
            tags = ("prefill", f"b{batch}", f"s{tokens}")
            yield from self._linear(batch * tokens, where, tags)
            scores = Shape(tokens, tokens, self.head, batch * self.heads, layout="nt")
            values = Shape(tokens, self.head, tokens, batch * self.heads)
            yield self._named(scores, "attention scores", where, ("scores", "attention", *tags))
            yield self._named(values, "attention values", where, ("values", "attention", *tags))
            if self.vocab:
                yield self._named(Shape(batch, self.vocab, self.d), "logits", where, ("logits", *tags))
        for count in self.decode:
            where = "decode, 1 sequence" if count == 1 else f"decode, {count} sequences"
            at = ("decode", f"m{count}")
            yield from self._linear(count, where, at)
            if self.vocab:
                yield self._named(Shape(count, self.vocab, self.d), "logits", where, ("logits", *at))
            for tokens in self.contexts:
                yield from self._decoding(count, tokens, f"{where}, context of {tokens}", (*at, f"s{tokens}"))

    def _linear(self, rows: int, where: str, tags: tuple[str, ...]) -> Iterator[NamedShape]:
        q, g = self.heads * self.head, self.kv * self.head
        parts = [("QKV", "qkv", q + 2 * g, self.d), ("attention out", "out", self.d, q), ("ffn up", "up", self.ffn, self.d)]
        if g != q:
            parts.append(("key", "key", g, self.d))
        if self.gated:
            parts.append(("ffn gate and up", "gate-up", 2 * self.ffn, self.d))
        parts.append(("ffn down", "down", self.d, self.ffn))
        for name, tag, n, k in parts:
            yield self._named(Shape(rows, n, k), name, where, (tag, "linear", *tags))

    def _decoding(self, count: int, tokens: int, where: str, tags: tuple[str, ...]) -> Iterator[NamedShape]:
        rows, problems = self.heads // self.kv, count * self.kv
        scores = Shape(rows, tokens, self.head, problems, layout="nt")
        yield self._named(scores, "attention scores", where, ("scores", "attention", *tags))
        yield self._named(Shape(rows, self.head, tokens, problems), "attention values", where, ("values", "attention", *tags))

    def _named(self, shape: Shape, part: str, where: str, tags: tuple[str, ...]) -> NamedShape:
        return NamedShape(shape, f"{self.title} {part}, {where}", frozenset(tags))


def _prefill(table: Table, text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,9})x([0-9]{1,9})", text)
    batch, tokens = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 0 < batch * tokens < 2**31:
        raise table.error("prefill", f"holds '{text[:40]}', which is no BATCHxTOKENS such as 1x128")
    return batch, tokens
