"""Files that someone made to hurt: each is refused with one clear line, and nothing in them runs."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.errors import CheckpointError, Malformed, NoWeights, Truncated, UnsupportedFormat
from lineage.sketch import sketch_checkpoint
from lineage.sketch.checkpoint_pass import MASK
from lineage.types import CheckpointSketch, Depth
from lineage.types.facts.exclusions import NotFinite
from tests.checkpoint_files import header_file, safetensors_bytes
from tests.memory import within
from tests.systems import needs_pipes
from tests.torch_files import (
    Call,
    Glob,
    Raw,
    Storages,
    module_of,
    pickled,
    write_legacy,
    write_program,
    write_zip,
)

WEIGHT = np.ones((2, 2), np.float32)
FLOAT = '"dtype":"F32","shape":[2,2]'


def refused(path: Path, kind: type[CheckpointError], text: str) -> None:
    with pytest.raises(kind, match=text) as error:
        open_checkpoint(path)
    assert str(error.value).isprintable()
    assert error.value.exit_code == 12


class TestSafetensors:
    def test_a_header_that_is_longer_than_the_file(self, tmp_path: Path) -> None:
        path = header_file(tmp_path / "a.safetensors", {"w": {}}, length=4000)
        refused(path, Truncated, "header promises 4,008 bytes, the file has 17: download it again")

    def test_a_name_that_comes_twice(self, tmp_path: Path) -> None:
        entry = '"w":{' + FLOAT + ',"data_offsets":[%d,%d]}'
        header = "{" + entry % (0, 16) + "," + entry % (16, 32) + "}"
        refused(header_file(tmp_path / "a.safetensors", header.encode(), bytes(32)), Malformed, "'w' appears twice")

    @pytest.mark.parametrize("size", [100_000_000, 99_999_999, 1 << 62])
    def test_a_header_of_100_mb_is_refused_unread(self, tmp_path: Path, size: int) -> None:
        path = tmp_path / "a.safetensors"
        with path.open("wb") as file:
            file.write(size.to_bytes(8, "little") + b'{"')
            file.truncate(min(size, 200_000_000) + 8)
        with within(20_000):
            refused(path, Malformed, "its header claims .* damaged, or crafted to fill memory")

    def test_a_header_nested_without_end(self, tmp_path: Path) -> None:
        path = header_file(tmp_path / "a.safetensors", b'{"w":' + b"[" * 1_000_000)
        refused(path, Malformed, "its header is not valid JSON: nested too deeply")

    def test_a_number_of_a_million_digits(self, tmp_path: Path) -> None:
        path = header_file(tmp_path / "a.safetensors", b'{"w":' + b"9" * 1_000_000 + b"}")
        refused(path, Malformed, "its header is not valid JSON")

    def test_bytes_behind_the_last_tensor(self, tmp_path: Path) -> None:
        path = tmp_path / "a.safetensors"
        path.write_bytes(safetensors_bytes({"w": WEIGHT}) + b"PK\x03\x04 a second file")
        refused(path, Malformed, "18 unexpected bytes after the last tensor")


class _Evil:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


class TestPickles:
    @pytest.mark.parametrize("protocol", [2, 3, 4, 5])
    def test_a_call_of_os_system_is_refused_and_not_run(self, tmp_path: Path, protocol: int) -> None:
        ran = tmp_path / "ran"
        code = pickle.dumps({"w": _Evil(f"touch {ran}")}, protocol)
        with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
            archive.writestr("archive/data.pkl", code)
        (tmp_path / "bare.bin").write_bytes(code)
        for name in ("a.pt", "bare.bin"):
            refused(tmp_path / name, Malformed, r"asks to call (posix|nt)\.system: refused, nothing was run")
        write_legacy(tmp_path / "legacy.pth", Raw(code[2:-1]), Storages(legacy=True))
        refused(tmp_path / "legacy.pth", Malformed, r"asks to call (posix|nt)\.system")
        assert not ran.exists()
        pickle.loads(code)  # shows that the pickle is live
        assert ran.exists()

    @pytest.mark.parametrize(
        "code",
        [
            b"]r\xff\xff\xff\xff",  # a memo index that makes the C unpickler take 64 GB
            b"B\xff\xff\xff\x7f" + b"x",
            b"\x8e" + struct.pack("<Q", 1 << 60) + b"x",
            b"\x96" + struct.pack("<Q", 1 << 60) + b"x",
            b"\x8b" + struct.pack("<i", -5),
            b"\x95" + struct.pack("<Q", 1 << 60),
            b"I" + b"9" * 100_000 + b"\n",
            b"(" * 300_000,
            b")" + b"\x85" * 300_000 + b"}" + b"jjjj",
            b"}" + b")" + b"\x85" * 300_000 + b"Ns",
            b"}" + b"\x8b" + struct.pack("<I", 100_000) + b"\x01" * 100_000 + b"Ns",
            b"}]Ns",
            b"R",
            b"0" * 50,
            b"\x93",
            b"h\x05",
            b"\x82\x01",
            b"\x97",
            b"NQ",
            b"ccollections\nOrderedDict\n}b",
            b"ctorch._utils\n_rebuild_tensor_v2\n)R",
            b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00))\x89Nt\x85R",
            b"cbuiltins\nlist\n\x8a\x05\x00\x00\x00\x00\x01\x85R",
            b"cbuiltins\nbytearray\n\x8a\x05\x00\x00\x00\x00\x01\x85R",
        ],
    )
    def test_broken_and_greedy_pickles_are_refused(self, tmp_path: Path, code: bytes) -> None:
        with within(300_000):
            for path in (
                write_zip(tmp_path / "a.pt", Raw(code), Storages()),
                write_legacy(tmp_path / "a.pth", Raw(code), Storages(legacy=True)),
            ):
                with pytest.raises(CheckpointError) as error:
                    open_checkpoint(path)
                assert str(error.value).isprintable()

    @pytest.mark.parametrize("levels", [40, 5000])
    def test_dictionaries_that_share_each_other_without_end(self, tmp_path: Path, levels: int) -> None:
        code = b"}q\x00"
        for _ in range(levels):
            code += b"0}(X\x01\x00\x00\x00ah\x00X\x01\x00\x00\x00bh\x00uq\x00"
        path = write_zip(tmp_path / "a.pt", Raw(code), Storages())
        refused(path, Malformed, "nests its objects without end")

    def test_a_dictionary_that_holds_itself(self, tmp_path: Path) -> None:
        path = write_zip(tmp_path / "a.pt", Raw(b"}q\x00X\x01\x00\x00\x00ah\x00s"), Storages())
        refused(path, Malformed, "nests its objects without end")

    def test_a_long_list_that_is_mentioned_again_and_again(self, tmp_path: Path) -> None:
        code = b"(" + b"N" * 5000 + b"lq\x000(" + b"h\x00" * 5000 + b"l"
        path = write_zip(tmp_path / "a.pt", Raw(code), Storages())
        refused(path, Malformed, "nests its objects without end")

    def test_a_view_of_a_petabyte_takes_no_memory(self, tmp_path: Path) -> None:
        storages = Storages()
        key = storages.add(WEIGHT)
        path = write_zip(tmp_path / "a.pt", {"w": storages.view(key, 0, (1 << 25, 1 << 25), (0, 0))}, storages)
        refused(path, NoWeights, "a view that repeats fewer stored values")

    def test_a_storage_that_claims_more_than_its_member(self, tmp_path: Path) -> None:
        storages = Storages()
        tensor = storages.tensor(WEIGHT)
        storages.arrays["0"] = WEIGHT.reshape(-1)[:3]
        refused(write_zip(tmp_path / "a.pt", {"w": tensor}, storages), Malformed, "storage '0' has 12 bytes")

    def test_a_storage_that_is_missing(self, tmp_path: Path) -> None:
        storages = Storages()
        tensor = storages.tensor(WEIGHT)
        storages.arrays.clear()
        refused(write_zip(tmp_path / "a.pt", {"w": tensor}, storages), Truncated, "storage '0' is missing")

    def test_the_code_of_a_torchscript_program_is_not_looked_at(self, tmp_path: Path) -> None:
        storages = Storages()
        path = write_program(tmp_path / "a.pt", module_of({"w": storages.tensor(WEIGHT)}), storages)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("archive/code/__torch__/evil.py", "import os; os.system('touch hacked')")
        assert [view.name for view in open_checkpoint(path).tensors] == ["w"]

    def test_a_call_among_the_constants_of_a_program(self, tmp_path: Path) -> None:
        path = write_program(tmp_path / "a.pt", module_of({}), Storages())
        content = path.read_bytes()
        with zipfile.ZipFile(tmp_path / "b.pt", "w") as archive, zipfile.ZipFile(path) as old:
            for name in old.namelist():
                evil = pickled(Call(Glob("os", "system"), ("touch hacked",)))
                archive.writestr(name, evil if name.endswith("constants.pkl") else old.read(name))
        assert content != (tmp_path / "b.pt").read_bytes()
        refused(tmp_path / "b.pt", Malformed, r"asks to call os\.system: refused, nothing was run")

    def test_a_module_of_a_program_that_holds_itself(self, tmp_path: Path) -> None:
        loop = Raw(b"c__torch__\nNet\n)\x81q\x63}(X\x04\x00\x00\x00selfh\x63ub")
        refused(write_program(tmp_path / "a.pt", loop, Storages()), Malformed, "nests its objects without end")

    def test_code_in_a_tensor_subclass_is_refused(self, tmp_path: Path) -> None:
        arguments = (Glob("shutil", "rmtree"), Glob("a", "B"), (), None)
        evil = Call(Glob("torch._tensor", "_rebuild_from_type_v2"), arguments)
        path = write_zip(tmp_path / "a.pt", {"w": evil}, Storages())
        refused(path, Malformed, r"asks to call shutil\.rmtree")


class TestArchives:
    def test_a_zip_bomb_that_says_so(self, tmp_path: Path) -> None:
        with (
            zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("w.npy", "w", force_zip64=True) as member,
        ):
            for _ in range(100):
                member.write(bytes(1 << 20))
        refused(tmp_path / "a.npz", Malformed, "a zip bomb: .* bytes that claim to inflate to 104,857,600: refused")

    def test_a_zip_bomb_that_lies_about_its_size(self, tmp_path: Path) -> None:
        text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000,), }"
        head = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + text.ljust(117) + b"\n"
        squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        raw = squeezer.compress(head + bytes(160_000_000)) + squeezer.flush()
        path = tmp_path / "a.npz"
        _write_member(path, "w.npy", raw, claimed=len(head) + 8000)
        view = open_checkpoint(path).tensors[0]
        with pytest.raises(Malformed, match="inflates beyond the 8,128 bytes it declares"):
            view.rows(0, 1000)

    @pytest.mark.parametrize("name", ["../w.npy", "/etc/w.npy", "a/../../w.npy", "C:/w.npy", "..\\w.npy"])
    def test_a_member_that_would_leave_its_folder(self, tmp_path: Path, name: str) -> None:
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("w.npy", b"")
            archive.writestr(name, b"")
        refused(tmp_path / "a.npz", Malformed, "would leave the folder it is unpacked in: refused")

    def test_two_members_of_one_name(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("w.npy", b"")
            archive.writestr("v.npy", b"")
        content = (tmp_path / "a.npz").read_bytes()
        (tmp_path / "a.npz").write_bytes(content.replace(b"v.npy", b"w.npy"))
        refused(tmp_path / "a.npz", Malformed, "two members are named 'w.npy'")

    def test_a_zip_of_something_else(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("notes.txt", "hello")
        refused(tmp_path / "a.npz", NoWeights, "a.npz: holds no weights")


@pytest.mark.parametrize(
    ("bits", "dtype"), [(0x7FA00000, "u4"), (0xFFA00000, "u4"), (0x7FF4000000000000, "u8"), (0x7D00, "u2")]
)
@pytest.mark.parametrize("rows", [4, 5000])
def test_a_signalling_nan_is_one_line_and_no_warning(bits: int, dtype: str, rows: int, tmp_path: Path) -> None:
    held = np.ones((rows, 64), dtype.replace("u", "f"))
    held.view(dtype)[1, 2] = bits
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors_bytes({"w": held}))
    for depth in ("sampled", "full"):
        with pytest.raises(Malformed, match="'w' holds 1 NaN or infinite values"):
            sketch_checkpoint(open_checkpoint(path), depth)


@pytest.mark.parametrize("depth", ["sampled", "full"])
class TestInfinities:
    WEIGHT = np.random.default_rng(1).standard_normal((40, 40)).astype(np.float32)

    def sketched(self, tmp_path: Path, depth: Depth, **arrays: np.ndarray) -> CheckpointSketch:
        path = tmp_path / "a.safetensors"
        path.write_bytes(safetensors_bytes({"w": self.WEIGHT, **arrays}))
        return sketch_checkpoint(open_checkpoint(path), depth)

    @pytest.mark.parametrize("length", [40, 1500])
    def test_masks_and_bounds_are_left_out_and_named(self, length: int, tmp_path: Path, depth: Depth) -> None:
        mask = np.triu(np.full((length, length), -np.inf, np.float32), 1)
        made = self.sketched(tmp_path, depth, mask=mask, bound=np.array(np.inf, np.float32))
        assert [tensor.name for tensor in made.tensors] == ["w"]
        assert sorted(made.left_out) == [("bound", MASK), ("mask", MASK)]
        assert made.id == self.sketched(tmp_path, depth).id

    @pytest.mark.parametrize("length", [40, 1500])
    @pytest.mark.parametrize("axis", [0, 1])
    def test_units_that_are_never_chosen_are_no_damage(
        self, length: int, axis: int, tmp_path: Path, depth: Depth
    ) -> None:
        weights = np.random.default_rng(2).standard_normal((length, length)).astype(np.float32)
        np.moveaxis(weights, axis, 0)[1] = -np.inf
        made = self.sketched(tmp_path, depth, head=weights)
        assert made.left_out == (("head", MASK),)
        weights[3, 3] = np.nan
        with pytest.raises(Malformed, match="'head' holds"):
            self.sketched(tmp_path, depth, head=weights)

    @pytest.mark.parametrize("length", [40, 1500])
    def test_among_weights_one_infinity_is_damage(self, length: int, tmp_path: Path, depth: Depth) -> None:
        weights = np.random.default_rng(2).standard_normal((length, length)).astype(np.float32)
        weights[0] = np.inf
        with pytest.raises(Malformed, match=f"'weights' holds {length:,} NaN or infinite values"):
            self.sketched(tmp_path, depth, weights=weights)

    def test_a_block_of_infinities_is_damage_if_the_rest_are_weights(self, tmp_path: Path, depth: Depth) -> None:
        weights = np.random.default_rng(3).standard_normal((1500, 1500)).astype(np.float32)
        weights[1024:] = np.inf
        with pytest.raises(Malformed, match="'weights' holds"):
            self.sketched(tmp_path, depth, weights=weights)

    @pytest.mark.parametrize(
        ("value", "dtype", "reason"),
        [
            (np.nan, np.float32, NotFinite(1, beyond_float32=False)),
            (np.inf, np.float16, NotFinite(1, beyond_float32=False)),
            (np.nan, np.float64, NotFinite(1, beyond_float32=False)),
            (1e300, np.float64, NotFinite(1, beyond_float32=True)),
        ],
    )
    def test_one_damaged_tensor_among_others_is_left_out(
        self, tmp_path: Path, depth: Depth, value: float, dtype: type, reason: NotFinite
    ) -> None:
        damaged = np.random.default_rng(4).standard_normal((20, 40)).astype(dtype)
        damaged[0, 3] = value
        made = self.sketched(tmp_path, depth, damaged=damaged)
        assert made.left_out == (("damaged", reason),)
        assert made.id == self.sketched(tmp_path, depth).id

    def test_several_that_are_half_of_the_weights_are_damage(self, tmp_path: Path, depth: Depth) -> None:
        parts = {name: np.full((20, 40), np.nan, np.float32) for name in "ab"}
        with pytest.raises(Malformed, match="'a' holds 800 NaN or infinite values: the file is damaged"):
            self.sketched(tmp_path, depth, **parts)

    def test_nothing_else_is_no_model(self, tmp_path: Path, depth: Depth) -> None:
        path = tmp_path / "a.safetensors"
        path.write_bytes(safetensors_bytes({"bound": np.array(np.inf, np.float32)}))
        with pytest.raises(NoWeights, match="nothing but infinities"):
            sketch_checkpoint(open_checkpoint(path), depth)


class TestPlaces:
    def test_an_empty_file(self, tmp_path: Path) -> None:
        for name in ("a.safetensors", "a.pt", "a.npz", "a"):
            (tmp_path / name).touch()
            refused(tmp_path / name, Malformed, r"is empty \(0 bytes\): download it again")

    def test_a_folder_without_weights(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text("{}")
        refused(tmp_path, NoWeights, "holds no weights")

    def test_a_loop_of_links(self, tmp_path: Path) -> None:
        (tmp_path / "a.safetensors").symlink_to("b.safetensors")
        (tmp_path / "b.safetensors").symlink_to("a.safetensors")
        refused(tmp_path / "a.safetensors", Malformed, "is a loop of symbolic links")
        refused(tmp_path, NoWeights, "holds no weights")

    @needs_pipes
    def test_a_pipe_is_refused_at_once(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "a.safetensors")
        refused(tmp_path / "a.safetensors", Malformed, "is not a regular file")

    def test_a_device(self) -> None:
        refused(Path(os.devnull), Malformed, "is not a regular file")

    def test_a_pointer_of_git_lfs(self, tmp_path: Path) -> None:
        (tmp_path / "a.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n")
        refused(tmp_path / "a.safetensors", UnsupportedFormat, "git lfs pull")


def _write_member(path: Path, name: str, raw: bytes, claimed: int) -> None:
    """A zip file of one deflated member with whatever size it claims."""
    sizes = struct.pack("<IIIH", 0, len(raw), claimed, len(name))
    local = b"PK\x03\x04" + struct.pack("<HHHHH", 20, 0, 8, 0, 0) + sizes + struct.pack("<H", 0) + name.encode()
    central = b"PK\x01\x02" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 0) + sizes
    central += struct.pack("<HHHHII", 0, 0, 0, 0, 0, 0) + name.encode()
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(raw), 0)
    path.write_bytes(local + raw + central + end)
