"""Whatever happens to its bytes, a file opens and reads, or is refused with a CheckpointError."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.checkpoint_files import SINGLE_FILE, lacks, opens_or_is_refused
from tests.torch_files import pickled


def _contents() -> dict[str, tuple[str, bytes]]:
    rng = np.random.default_rng(5)
    arrays = {"a.weight": rng.standard_normal((5, 3)).astype(np.float32), "a.bias": np.arange(4), "s": np.float64(2.0)}
    found = {}
    for name, write in SINGLE_FILE.items():
        with tempfile.TemporaryDirectory() as folder:
            held = {key: np.asarray(value) for key, value in arrays.items()}
            path = write(Path(folder), {key: value for key, value in held.items() if not lacks(write, value)})
            found[name] = (path.name, path.read_bytes())
    return found


CONTENTS = _contents()
damages = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8)


@pytest.mark.parametrize("format_", CONTENTS)
class TestDamage:
    @given(damages=damages)
    @settings(max_examples=150, deadline=None)
    def test_bytes_that_are_changed(
        self, format_: str, damages: list[tuple[float, int]], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        name, content = CONTENTS[format_]
        damaged = bytearray(content)
        for where, value in damages:
            damaged[int(where * len(damaged))] = value
        path = tmp_path_factory.getbasetemp() / f"damaged-{name}"
        path.write_bytes(damaged)
        opens_or_is_refused(path)

    @given(start=st.floats(0, 1), length=st.integers(1, 40), insert=st.binary(max_size=20))
    @settings(max_examples=100, deadline=None)
    def test_bytes_that_are_lost_or_put_in(
        self, format_: str, start: float, length: int, insert: bytes, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        name, content = CONTENTS[format_]
        position = int(start * len(content))
        path = tmp_path_factory.getbasetemp() / f"shifted-{name}"
        path.write_bytes(content[:position] + insert + content[position + length :])
        opens_or_is_refused(path)


CODES = b"(.012FIKMNQRSUXabdeghijlopqrstu)]}\x80\x81\x82\x85\x86\x87\x88\x89"
OPCODES = st.sampled_from([bytes([code]) for code in CODES])


@given(code=st.lists(OPCODES | st.binary(max_size=6), max_size=60).map(b"".join), legacy=st.booleans())
@settings(max_examples=400, deadline=None)
def test_any_pickle_at_all(code: bytes, legacy: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.pt"
    prefix = pickled(0x1950A86A20F9469CFC6C) + pickled(1001) if legacy else b""
    path.write_bytes(prefix + b"\x80\x02" + code)
    opens_or_is_refused(path)


@given(content=st.binary(max_size=200), magic=st.sampled_from([b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x80\x02"]))
@settings(max_examples=300, deadline=None)
def test_any_bytes_at_all(content: bytes, magic: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.bin"
    path.write_bytes(magic + content)
    opens_or_is_refused(path)
