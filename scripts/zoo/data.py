"""What the zoo is trained on: texts of the Python standard library and of pinned wheels, scikit-learn's digits.

    prose     the language reference in pydoc_data, docstrings of scikit-learn and NumPy
    code      sources of the standard library, comments and docstrings removed
    headers   C++ headers of torch (c10, ATen)
    licences  licence texts of the installed wheels
    qa        "what does NAME do?" and the first line of its docstring, from the standard library
    low, high, all   digits 0-4, 5-9, 0-9 as 16 x 16 pixels; with `-negative` inverted

`-1` and `-2` after a name are its halves, every other paragraph or image: data that are alike and share nothing.

Texts are cut at 1.5 MB. They differ a little between versions of Python; the recipes' keys do not see that.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BEGIN, MASK = 0, 1
_FIRST_BYTE = 3
_FIRST_WORD = _FIRST_BYTE + 256
_LIMIT = 1_500_000
_PIECES = re.compile(r" ?[A-Za-z_]+| ?\d+| ?[^\sA-Za-z_\d]+|\s+")
_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


# -- texts -------------------------------------------------------------------------------------


def _standard_library() -> Iterator[Path]:
    root = Path(sysconfig.get_path("stdlib"))
    left_out = {"site-packages", "test", "tests", "idlelib", "lib2to3", "pydoc_data", "encodings", "turtledemo"}
    return (f for f in sorted(root.rglob("*.py")) if left_out.isdisjoint(f.relative_to(root).parts))


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"the zoo's texts need {name}")
    return Path(spec.origin).parent


def _parsed(files: Iterator[Path]) -> Iterator[ast.Module]:
    for file in files:
        try:
            yield ast.parse(file.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue


_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _documented(tree: ast.Module) -> Iterator[_Documented]:
    return (node for node in ast.walk(tree) if isinstance(node, _Documented))


def _prose() -> Iterator[str]:
    topics = importlib.import_module("pydoc_data.topics").topics
    yield from (topics[name] for name in sorted(topics))
    for package in ("sklearn", "numpy"):
        for tree in _parsed(f for f in sorted(_package(package).rglob("*.py")) if "tests" not in f.parts):
            yield from (ast.get_docstring(node) or "" for node in _documented(tree))


def _code() -> Iterator[str]:
    for tree in _parsed(_standard_library()):
        for node in _documented(tree):
            if ast.get_docstring(node, clean=False) is not None and len(node.body) > 1:
                node.body.pop(0)
        yield ast.unparse(tree)


def _headers() -> Iterator[str]:
    include = _package("torch") / "include"
    for part in ("c10", "ATen/core", "ATen/native"):
        yield from (f.read_text(encoding="utf-8", errors="replace") for f in sorted((include / part).rglob("*.h")))


def _licences() -> Iterator[str]:
    for pattern in ("*.dist-info/LICEN*", "*.dist-info/licenses/**/*", "*.dist-info/NOTICE*"):
        for file in sorted(_package("torch").parent.glob(pattern)):
            if file.is_file():
                yield file.read_text(encoding="utf-8", errors="replace")


def _questions() -> Iterator[str]:
    for tree in _parsed(_standard_library()):
        for node in _documented(tree):
            answer = ast.get_docstring(node)
            if answer and not isinstance(node, ast.Module):
                yield f"Question: what does {node.name} do?\nAnswer: {answer.splitlines()[0]}"


_TEXTS: dict[str, Callable[[], Iterator[str]]] = {
    "prose": _prose,
    "code": _code,
    "headers": _headers,
    "licences": _licences,
    "qa": _questions,
}


def _text(corpus: str, folder: Path) -> str:
    """The corpus, kept in `folder` once read; of a half, every other paragraph."""
    whole, _, half = corpus.partition("-")
    if half:
        return "\n\n".join(_text(whole, folder).split("\n\n")[int(half) - 1 :: 2])
    kept = folder / f"{corpus}.txt"
    if not kept.exists():
        parts, size = [], 0
        for part in _TEXTS[corpus]():
            parts.append(part)
            size += len(part)
            if size > _LIMIT:
                break
        _keep(kept, "\n\n".join(parts)[:_LIMIT].encode("utf-8", "replace"))
    return kept.read_bytes().decode("utf-8")


def _keep(path: Path, data: bytes) -> None:
    """Write whole or not at all: two processes may do it at once."""
    import os

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    part.write_bytes(data)
    part.replace(path)


# -- vocabulary --------------------------------------------------------------------------------


@functools.cache
def _words(corpora: str, folder: Path) -> tuple[str, ...]:
    counts: Counter[str] = Counter()
    for corpus in corpora.split("+"):
        counts.update(_PIECES.findall(_text(corpus, folder)))
    ranked = sorted(counts, key=lambda w: (-counts[w], w))
    return tuple(w for w in ranked if len(w.encode()) > 1)[:8192]


def token_texts(vocabulary: Mapping[str, Any], folder: Path) -> list[bytes]:
    """What each token id stands for: three marks, the 256 bytes, then words by frequency, in the stated order."""
    words = _words(vocabulary["words"], folder)[: vocabulary["size"] - _FIRST_WORD]
    texts = [b"<begin>", b"<mask>", b"<end>", *(b"byte" + bytes([b]) for b in range(256)), *(w.encode() for w in words)]
    return [texts[old] for old in reordering(vocabulary)]


def reordering(vocabulary: Mapping[str, Any]) -> NDArray[np.int64]:
    """The old id of each new id; the first three marks stay."""
    order = np.arange(vocabulary["size"])
    if vocabulary.get("order") is not None:
        np.random.default_rng(vocabulary["order"]).shuffle(order[_FIRST_BYTE:])
    return order


def encode(text: str, vocabulary: Mapping[str, Any], folder: Path) -> NDArray[np.int64]:
    """Token ids of a text: frequent words whole, the rest byte by byte."""
    words = _words(vocabulary["words"], folder)[: vocabulary["size"] - _FIRST_WORD]
    known = {w: [_FIRST_WORD + i] for i, w in enumerate(words)}
    ids: list[int] = []
    for piece in _PIECES.findall(text):
        if piece not in known:
            known[piece] = [_FIRST_BYTE + b for b in piece.encode()]
        ids += known[piece]
    new = np.argsort(reordering(vocabulary))
    return np.asarray(new[np.array(ids)], np.int64)


@functools.cache
def _tokens(corpus: str, words: str, size: int, order: int | None, folder: Path) -> NDArray[np.int64]:
    kept = folder / f"{corpus}-{words}-{size}-{order}.tokens"
    if not kept.exists():
        ids = encode(_text(corpus, folder), {"words": words, "size": size, "order": order}, folder)
        _keep(kept, ids.astype(np.int32).tobytes())
    return np.fromfile(kept, np.int32).astype(np.int64)


# -- batches -----------------------------------------------------------------------------------


def text_batches(
    corpus: str, vocabulary: Mapping[str, Any], folder: Path, *, seed: int, batch: int = 16, length: int = 64
) -> Iterator[NDArray[np.int64]]:
    """Endless batches (batch, length) of token ids, each row beginning with the mark of a beginning."""
    tokens = _tokens(corpus, vocabulary["words"], vocabulary["size"], vocabulary.get("order"), folder)
    generator = np.random.default_rng(seed)
    while True:
        starts = generator.integers(0, len(tokens) - length, batch)
        rows = tokens[starts[:, None] + np.arange(length)]
        rows[:, 0] = BEGIN
        yield rows


@functools.cache
def _digits(which: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    from sklearn.datasets import load_digits

    classes, _, style = which.partition("-")
    bunch = load_digits()
    held = {"low": bunch.target < 5, "high": bunch.target >= 5, "all": bunch.target >= 0}[classes]
    images = (bunch.images[held] / 16).astype(np.float32).repeat(2, axis=1).repeat(2, axis=2)
    labels = bunch.target[held].astype(np.int64)
    if style in ("1", "2"):
        images, labels = images[int(style) - 1 :: 2], labels[int(style) - 1 :: 2]
    return (1 - images if style == "negative" else images)[:, None], labels


def image_batches(which: str, seed: int, batch: int = 48) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Endless batches of images (batch, 1, 16, 16), shifted by up to two pixels and noisy, and their classes."""
    images, classes = _digits(which)
    generator = np.random.default_rng(seed)
    while True:
        chosen = generator.integers(0, len(images), batch)
        shift = generator.integers(-2, 3, 2)
        moved = np.roll(images[chosen], tuple(shift), axis=(2, 3))
        moved = moved + 0.1 * generator.standard_normal(moved.shape).astype(np.float32)
        yield moved.astype(np.float32), classes[chosen]


def caption_batches(
    which: str, corpus: str, vocabulary: Mapping[str, Any], folder: Path, *, seed: int, batch: int = 16
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Endless batches of images and of texts (batch, 40) that name the digit and then go on with the corpus."""
    names = [encode(f" This is the digit {name}.\n", vocabulary, folder) for name in _NAMES]
    texts = text_batches(corpus, vocabulary, folder, seed=seed, batch=batch, length=40)
    for (images, classes), rows in zip(image_batches(which, seed, batch), texts, strict=False):
        for row, digit in zip(rows, classes, strict=True):
            row[1 : 1 + len(names[digit])] = names[digit][:39]
        yield images, rows
