"""Work that several processes share gives what one gives, and what goes wrong in one is told by the first."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import pytest

from lineage.ancestry import graph
from lineage.ancestry.trees.processes import cores, shared_out
from tests.systems import needs_linux
from tests.unit.ancestry.test_graph import FAMILY
from tests.unit.ancestry.test_growing import PARTS, STRANGERS, folder

pytestmark = needs_linux


def gathered(work, sizes, processes):
    return dict(one for portion in shared_out(work, sizes, processes) for one in portion)


@pytest.mark.parametrize("count", [0, 1, 5, 40])
def test_every_piece_is_worked_on_once(count):
    found = gathered(lambda i: (i * i, os.getpid()), [float(i % 7) for i in range(count)], 2)
    assert {i: square for i, (square, _) in found.items()} == {i: i * i for i in range(count)}
    assert os.getpid() not in {process for _, process in found.values()}


def test_what_is_raised_there_is_raised_here():
    def work(i: int) -> int:
        raise LookupError(f"piece {i}")

    with pytest.raises(LookupError, match="piece"):
        gathered(work, [1.0], 2)


def test_a_process_that_is_killed_is_told():
    with pytest.raises(ChildProcessError, match="enough memory"):
        gathered(lambda i: os.kill(os.getpid(), signal.SIGKILL), [1.0], 2)


def test_no_process_outlives_the_work():
    def work(i: int) -> int:
        if i == 0:
            raise LookupError
        time.sleep(60)
        return i

    with pytest.raises(LookupError):
        gathered(work, [1.0, 1.0], 2)
    assert not multiprocessing.active_children()


def test_the_graph_is_the_same_whoever_searches_it(tmp_path):
    known = [folder(tmp_path, [name for name in (*FAMILY, *STRANGERS, *PARTS) if name != "child"])]
    alone, shared = (graph(known, processes=count) for count in (1, 2))
    assert alone.edges
    assert shared == alone


def test_there_is_a_core_to_work_on():
    assert cores() >= 1
