"""Questions wait in turn, but for a process that has their model at hand, and none waits long for that."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import pytest

from lineage.serve.lanes import Lanes
from lineage.serve.settings import Limits, Settings
from lineage.serve.waiting import MOST_PASSED, Question, Queue, Waiting, model_of
from lineage.serve.worker import next_line
from lineage.sketch import write_sketch
from tests.small_models import sketched, trained


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.fixture
def put(loop: asyncio.AbstractEventLoop):
    def add(queue: Queue, model: str | None, *, is_long: bool = False) -> Waiting:
        question = Question("whois", {}, Path("answer"), is_long=is_long)
        one = Waiting(question, lambda _: None, lambda: None, loop.create_future(), model)
        queue.put(one)
        return one

    return add


def test_questions_about_models_that_no_process_has_are_taken_in_turn(put):
    queue = Queue()
    asked = [put(queue, model) for model in ("a", None, "b", "c")]
    assert len(queue) == 4
    assert [queue.take(i % 2) for i in range(4)] == asked
    assert len(queue) == 0


def test_a_process_has_the_questions_about_the_models_that_it_was_asked_about(put):
    queue = Queue()
    for process, model in enumerate("ab"):
        put(queue, model)
        queue.take(process)
    of_b, of_a, new = (put(queue, model) for model in ("b", "a", "c"))
    assert queue.take(0) is of_a
    assert queue.take(1) is of_b
    assert queue.take(0) is new
    again = put(queue, "c")
    assert queue.take(1) is again  # nothing else waits: a process never idles
    assert put(queue, "c") is queue.take(1)


def test_a_question_is_passed_over_a_few_times_only(put):
    queue = Queue()
    put(queue, "a")
    queue.take(1)
    waits = put(queue, "a")
    taken = []
    for _ in range(MOST_PASSED + 1):
        put(queue, None)
        taken.append(queue.take(0))
    assert taken.index(waits) == MOST_PASSED


def test_a_process_that_was_replaced_has_nothing_but_its_question(put):
    queue = Queue()
    for model in "ab":
        last = put(queue, model)
        queue.take(0)
    queue.restarted(0, last)
    of_b, of_a = put(queue, "b"), put(queue, "a")
    assert queue.take(1) is of_a
    assert queue.take(0) is of_b


def test_long_questions_come_last_and_not_to_every_process(put):
    queue = Queue()
    long, short = put(queue, "a", is_long=True), put(queue, "b")
    assert queue.has_some(takes_long=False)
    assert queue.take(1) is short
    assert not queue.has_some(takes_long=False)
    assert queue.has_some(takes_long=True)
    assert queue.take(1) is long
    gone = put(queue, "c")
    queue.remove(gone)
    queue.remove(gone)
    assert not queue.has_some(takes_long=True)


def test_the_model_of_a_question_is_its_name_or_the_id_that_its_sketch_claims(tmp_path: Path):
    sketch = sketched(trained(1), "any")
    write_sketch(sketch, tmp_path / "asked.sketch")
    (tmp_path / "damaged.sketch").write_bytes(b"\x00" * 1000)
    assert model_of({"checkpoint": {"upload": "0", "file": str(tmp_path / "asked.sketch")}}) == sketch.id
    assert model_of({"checkpoint": {"model": "known"}}) == "known"
    for checkpoint in (
        {"upload": "0", "file": str(tmp_path / "damaged.sketch")},
        {"upload": "0", "file": str(tmp_path / "gone.sketch")},
        {"path": "x", "file": str(tmp_path)},
        {"address": "hf:org/name"},
        None,
        [],
    ):
        assert model_of({"checkpoint": checkpoint}) is None
    assert model_of({}) is None


@pytest.mark.parametrize(("prepared", "begun"), [(0, []), (3, [0, 1])])
def test_processes_begin_before_anyone_asks_if_they_are_to_prepare(
    prepared: int, begun: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    started: list[int] = []

    async def begin(_: Lanes, number: int) -> None:
        started.append(number)

    async def some_time() -> None:
        lanes = Lanes(Settings(tmp_path, limits=Limits(workers=2, prepared=prepared)))
        lanes.start()
        await asyncio.sleep(0.01)
        await lanes.stop()

    monkeypatch.setattr(Lanes, "_begin", begin)
    with ThreadPoolExecutor(1) as beside:  # another test may have left a loop running in this thread
        beside.submit(lambda: asyncio.run(some_time())).result()
    assert started == begun


def test_a_process_works_ahead_only_while_nothing_waits():
    questions: SimpleQueue[str] = SimpleQueue()
    done: list[int] = []

    def work() -> Iterator[bool]:
        for i in range(9):
            done.append(i)
            if i == 2:
                questions.put("a question")
            yield True

    ahead = work()
    assert next_line(questions, ahead) == "a question"
    assert done == [0, 1, 2]
    questions.put("another")
    assert next_line(questions, ahead) == "another"
    assert done == [0, 1, 2]
    questions.put("the last")
    assert next_line(questions, iter(())) == "the last"
