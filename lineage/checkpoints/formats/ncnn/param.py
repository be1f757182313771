"""The text of an ncnn model.

Format: https://github.com/Tencent/ncnn/wiki/param-and-model-file-structure: a magic number, the numbers of layers and
blobs, then a line a layer: type, name, numbers of inputs and outputs, their names, and `key=value` parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lineage.checkpoints.io.bytes import PositionedFile, read
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.views import check_name
from lineage.errors import Malformed, Truncated, UnsupportedFormat

BEGINS = (b"7767517\n", b"7767517\r\n")  # a magic number
MAX_TEXT = 16 << 20  # bytes
MAX_LAYERS = 1 << 18
_ARRAY = -23300  # keys below it hold lists
_PNNX = ("pnnx.", "nn.", "aten::")


@dataclass(slots=True)
class Layer:
    """One line: the whole numbers among the parameters, by key."""

    type: str
    name: str
    numbers: dict[int, int] = field(default_factory=dict)

    def number(self, key: int, default: int = 0) -> int:
        """A parameter, or what ncnn takes without it."""
        return self.numbers.get(key, default)


def read_layers(file: PositionedFile) -> list[Layer]:
    """Read all lines. Raises Truncated, Malformed, and UnsupportedFormat for the text of PNNX."""
    if file.size > MAX_TEXT:
        raise Malformed(file.path, f"is {file.size:,} bytes long, more than the {MAX_TEXT:,} allowed for it")
    text = read(file, 0, file.size).decode("utf-8", "replace").replace("\r\n", "\n")
    lines = text.split("\n")[1:]
    counts = lines[0].split() if lines else []
    if len(counts) != 2 or not all(count.isdigit() and len(count) < 9 for count in counts):
        raise Truncated(file.path, "ends before the numbers of its layers and blobs: download it again")
    described = [line for line in lines[1:] if line.strip()]
    if len(described) < int(counts[0]) or not lines[-1] == "":
        raise Truncated(
            file.path, f"lists {len(described):,} layers of {int(counts[0]):,}, or half of one: download it again"
        )
    if len(described) > min(int(counts[0]), MAX_LAYERS):
        raise Malformed(file.path, f"lists {len(described):,} layers, more than the {int(counts[0]):,} it announces")
    layers = [_layer(file, line) for line in described]
    if any(layer.type.startswith(_PNNX) for layer in layers):
        raise UnsupportedFormat(file.path, "is the text of PNNX, not of ncnn: name the .ncnn.param beside it")
    return layers


def _layer(file: PositionedFile, line: str) -> Layer:
    words = line.split()
    if len(words) < 4 or not all(word.isdigit() and len(word) < 9 for word in words[2:4]):
        raise Malformed(file.path, f"the line {quoted(line)} describes no layer")
    check_name(file.path, words[1])
    layer = Layer(words[0], words[1])
    for word in words[4 + int(words[2]) + int(words[3]) :]:
        key, _, value = word.partition("=")
        try:
            number = int(key)
            if number > _ARRAY:
                layer.numbers[number] = int(value)
        except ValueError:
            continue  # a fraction, or a text
    return layer
