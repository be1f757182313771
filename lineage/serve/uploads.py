"""Sketches and tokenizers that were sent: written to disk as they arrive, within limits, named after their content."""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from lineage.serve.refusals import Refusal
from lineage.serve.settings import MIB, Limits

if TYPE_CHECKING:
    from starlette.requests import Request

UPLOADS = "uploads"
SUFFIX = ".sketch"
OCTETS = "application/octet-stream"
TOKENIZER_NAME = (
    r"^(tokenizer\.json|tekken[\w.-]{0,40}\.json|vocab\.json|vocab\.txt|[\w.-]{1,60}\.tiktoken"
    r"|(tokenizer|spiece|sentencepiece|sentencepiece\.bpe|spm)\.model(\.v\d\w{0,20})?|[\w.-]{1,60}\.tokenizer)$"
)
"""Names under which a tokenizer is sent: those that `lineage whois` takes for one."""

_TOKENIZERS = (".tokenizer", ".txt", ".json")  # its sketch; what may be a list of words; what declares its own kind
_DAY_S = 86_400
_DIGEST = re.compile(r"[0-9a-f]{64}")


def uploaded(state: Path, digest: str) -> Path | None:
    """The path of the sketch with that SHA-256, or None."""
    place = state / UPLOADS / f"{digest}{SUFFIX}"
    return place if _DIGEST.fullmatch(digest) and place.is_file() else None


def uploaded_tokenizer(state: Path, digest: str) -> Path | None:
    """The path of the tokenizer with that SHA-256, or None."""
    if not _DIGEST.fullmatch(digest):
        return None
    places = (state / UPLOADS / f"{digest}{suffix}" for suffix in _TOKENIZERS)
    return next((place for place in places if place.is_file()), None)


def suffix_of(name: str | None) -> str:
    """How an upload of this name, a tokenizer's, is kept; None is a sketch."""
    if name is None:
        return SUFFIX
    return next((suffix for suffix in _TOKENIZERS if name.endswith(suffix)), _TOKENIZERS[-1])


async def received(request: Request, state: Path, limits: Limits, suffix: str = SUFFIX) -> str:
    """Keep the body of a request, and return its SHA-256.

    Raises Refusal for one that is too large, too slow, empty, or cut off; its file is removed then.
    """
    folder = state / UPLOADS
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".part", delete=False) as file:
        part = Path(file.name)
        try:
            digest = sha256()
            async with asyncio.timeout(limits.body_seconds):
                size = 0
                async for chunk in bounded(request, limits.body_mib * MIB):
                    digest.update(chunk)
                    size += len(chunk)
                    await asyncio.to_thread(file.write, chunk)
            if not size:
                raise Refusal(400, "empty", "the body is empty: send the bytes of a file")
            file.close()
            part.replace(folder / f"{digest.hexdigest()}{suffix}")
        except TimeoutError:
            raise slow(limits) from None
        finally:
            file.close()
            part.unlink(missing_ok=True)
    return digest.hexdigest()


async def read_body(request: Request, most: int, limits: Limits) -> bytes:
    """The whole body of a request that is at most `most` bytes long. Raises Refusal."""
    try:
        async with asyncio.timeout(limits.body_seconds):
            return b"".join([chunk async for chunk in bounded(request, most)])
    except TimeoutError:
        raise slow(limits) from None


async def bounded(request: Request, most: int) -> AsyncIterator[bytes]:
    """The pieces of a body. Raises Refusal if it is longer than `most` bytes, at once if its header says so."""
    from starlette.requests import ClientDisconnect

    too_large = Refusal(413, "too-large", f"the body is longer than the {most:,} bytes that this service takes")
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise too_large
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > most:
                raise too_large
            if chunk:
                yield chunk
    except ClientDisconnect:
        raise Refusal(400, "cut-off", "the body ended before its declared length") from None


def slow(limits: Limits) -> Refusal:
    """The refusal of a body that takes too long."""
    return Refusal(408, "slow", f"the body took longer than {limits.body_seconds} seconds")


def forget_uploads(state: Path, limits: Limits) -> None:
    """Delete uploads that are older than `keep_days`, the oldest beyond `uploads_mib`, and what was cut off."""
    folder, now = state / UPLOADS, time.time()
    if not folder.is_dir():
        return
    kept = sorted(((age(file), file) for file in folder.iterdir()), reverse=True)
    total = 0
    for written, file in kept:
        total += file.stat().st_size
        keep_s = _DAY_S if file.name.startswith(".") else limits.keep_days * _DAY_S
        if written < now - keep_s or total > limits.uploads_mib * MIB:
            file.unlink(missing_ok=True)


def age(path: Path) -> float:
    """The time of last change in seconds since the epoch; the present time for a removed file."""
    try:
        return path.stat().st_mtime
    except OSError:
        return time.time()
