"""Constants fitted on trained models whose descent is known; `scripts/fit_relations.py` writes them to a table."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

TABLE = "calibration.toml"


@dataclass(frozen=True, slots=True)
class DescentModel:
    """Log-odds of descent against a shared initialisation: constant + matrices * r + vectors * r of gains.

    From `derived_at` up descent is reported, up to `shared_at` a shared initialisation, in between neither.
    """

    constant: float
    matrices: float
    vectors: float
    derived_at: float
    shared_at: float


@dataclass(frozen=True, slots=True)
class Count:
    """How often a cue of direction was right, wrong and silent on the known edges."""

    right: int
    wrong: int
    silent: int

    @property
    def ratio(self) -> float:
        """Odds that the cue is right when it is not silent, with half a case added to either side."""
        return (self.right + 0.5) / (self.wrong + 0.5)


@dataclass(frozen=True, slots=True)
class Calibration:
    """The table: descent models with and without gains, the least r of fine-tuning, the cues by name."""

    by_vectors: DescentModel
    by_matrices: DescentModel
    fine_tuned_r: float
    cues: Mapping[str, Count]


@lru_cache(maxsize=1)
def calibration() -> Calibration:
    """The table in the package."""
    read = tomllib.loads(Path(__file__).with_name(TABLE).read_text(encoding="utf-8"))
    return Calibration(
        by_vectors=DescentModel(**read["descent"]["by_vectors"]),
        by_matrices=DescentModel(**read["descent"]["by_matrices"]),
        fine_tuned_r=read["tuning"]["fine_tuned_r"],
        cues={name: Count(**count) for name, count in read["cues"].items()},
    )


def ratio(cue: str) -> float:
    """Likelihood ratio of a cue; 1 for a cue without counts."""
    counted = calibration().cues.get(cue)
    return counted.ratio if counted is not None else 1.0
