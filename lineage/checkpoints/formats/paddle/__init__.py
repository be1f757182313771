"""Paddle inference models: parameters in one file, named by the program beside it."""

from __future__ import annotations

from lineage.checkpoints.formats.paddle.parameters import PaddleReader

__all__ = ["PaddleReader"]
