"""The ledger of a run with workers: every order is made once, those of dead workers again, a deadly one is named."""

from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass

import pytest
import xarray as xr

from operando.core import digest
from operando.core.errors import InputError
from operando.core.threads import available_cores
from operando.flow.orders import Batch, Lost, make, versions
from operando.flow.stage import Call, Stages
from operando.flow.workers import Team

CALLED: list[str] = []


def square(number, *, add):
    CALLED.append(f"square {number}")
    return xr.Dataset({"v": ("z", [float(number**2 + add)])})


def total(parts):
    CALLED.append("total")
    return {"sum": xr.Dataset({"v": sum(part["v"] for part in parts)})}


@dataclass(frozen=True)
class Several:
    calls: tuple[Call, ...]

    @property
    def digest(self):
        return digest([call.key for call in self.calls])

    def from_stages(self, stages):
        return [stages.get(call) for call in self.calls]


def batch(name, numbers):
    first = tuple(Call(square, {"number": n}, {"add": 1}, "square") for n in numbers)
    return Batch(name, first, (10,) * len(numbers), (Call(total, {"parts": Several(first)}, {}, "total"),))


class Fake:
    """Workers of this very process; `deadly` says whether an order kills them."""

    attempts = 3
    died = (BrokenExecutor,)

    def __init__(self, deadly=lambda order, renewed: False, slots=2):
        self.deadly, self.renewed, self.number, self.most = deadly, 0, slots, 0

    def slots(self):
        return self.number

    def submit(self, order):
        future = Future()
        if self.deadly(order, self.renewed):
            future.set_exception(BrokenExecutor())
        else:
            try:
                future.set_result(make(order))
            except Exception as error:
                future.set_exception(error)
        return future

    def look(self):
        pass

    def renew(self):
        self.renewed += 1

    def close(self):
        pass


@pytest.fixture
def stages(tmp_path):
    CALLED.clear()
    return Stages(tmp_path / "stages")


def test_each_is_made_once_in_its_order_and_found_by_the_run(stages):
    told = []
    batches = [batch("a", [1, 2, 3]), batch("b", [4])]
    Team(Fake()).work(stages, batches, lambda done, all_: told.append((done, all_)))
    assert sorted(CALLED) == ["square 1", "square 2", "square 3", "square 4", "total", "total"]
    assert CALLED.index("total") > CALLED.index("square 3")
    assert told[-1] == (40, 40)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    CALLED.clear()
    assert float(stages.get(batches[0].then[0])["sum"]["v"][0]) == 1 + 4 + 9 + 3
    assert CALLED == []
    assert "by worker" in stages.processes[0].detail
    assert {path.suffix for path in stages.folder.iterdir()} == {".h5"}


def test_what_is_there_is_not_made_again(stages):
    one = batch("a", [1, 2])
    stages.ensure(one.first[0])
    CALLED.clear()
    told = []
    Team(Fake()).work(Stages(stages.folder), [one], lambda done, all_: told.append(done))
    assert CALLED == ["square 2", "total"]
    assert told[0] == 10
    assert told[-1] == 20


def test_orders_of_dead_workers_are_given_again(stages):
    workers = Fake(lambda order, renewed: renewed < 2)
    Team(workers).work(stages, [batch("a", [1, 2])], lambda *_: None)
    assert workers.renewed == 2
    assert sorted(CALLED) == ["square 1", "square 2", "total"]


def test_an_order_that_always_kills_is_named_and_the_others_are_kept(stages):
    one = batch("scan 7", [1, 2, 3])
    workers = Fake(lambda order, renewed: order.numbers == (1,))
    with pytest.raises(Lost, match="again and again") as caught:
        Team(workers).work(stages, [one], lambda *_: None)
    assert caught.value.where == "scan 7, square 2 of 3"
    assert workers.renewed == workers.attempts - 1
    kept = {path.name for path in stages.folder.iterdir()}
    assert kept == {one.first[0].file, one.first[2].file}


def test_an_error_of_a_stage_comes_out_as_it_is(stages):
    def bad(number):
        raise InputError("no", where="frame 3", fix="mend")

    globals()["bad"] = bad
    bad.__qualname__ = "bad"
    with pytest.raises(InputError, match="frame 3"):
        Team(Fake()).work(stages, [Batch("a", (Call(bad, {"number": 1}, {}, "bad"),), (1,))], lambda *_: None)
    assert list(stages.folder.iterdir()) == []


def test_a_worker_with_other_packages_or_another_disk_refuses(stages, tmp_path):
    from operando.flow.orders import Order

    with pytest.raises(InputError, match="other packages"):
        make(Order(str(tmp_path / "x.orders"), (0,), "x", 1, versions().replace("python", "python 2.7")))
    with pytest.raises(InputError, match="does not see the run folder"):
        make(Order(str(tmp_path / "run" / "stages" / "x.orders"), (0,), "x", 1, versions()))


def test_the_number_of_threads_may_be_stated(monkeypatch):
    monkeypatch.setenv("OPERANDO_THREADS", "3")
    assert available_cores() == 3
    for word in ("0", "many", ""):
        monkeypatch.setenv("OPERANDO_THREADS", word)
        assert available_cores() >= 1
