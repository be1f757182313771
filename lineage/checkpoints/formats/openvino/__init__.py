"""OpenVINO's intermediate representation: a graph in XML, the values in a .bin beside it."""

from lineage.checkpoints.formats.openvino.reader import OpenvinoReader

__all__ = ["OpenvinoReader"]
