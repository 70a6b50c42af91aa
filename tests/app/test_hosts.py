"""Two workers on hosts with addresses of their own, and what happens to the network between them."""

import time
from contextlib import contextmanager

import pytest
from hosts import Hosts
from workers import Workers, assert_same_curves, configure, wait_for_points

from kaleido.app.logs import read_metrics


@contextmanager
def cut(hosts):
    hosts.cut = True
    try:
        yield
    finally:
        hosts.cut = False


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_hosts_train_like_one_over_a_bad_link_and_survive_its_loss_and_that_of_a_host(backend, quiet, change, tmp_path):
    """Takes minutes: nine processes start, and a loss is noticed after ten seconds and more."""
    quiet = change(quiet, **{"train_config.steps": 40})
    alone, two = (configure(quiet, tmp_path / name, change) for name in ("alone", "two"))
    assert Workers(backend, alone).end()[0] == [0]

    log = tmp_path / "two" / "run" / "metrics.jsonl"
    with Hosts(2, delay=0.005, loss=0.002) as hosts:
        # The link is cut for good; it is cut and a host is gone without a word, first a worker and then the chief. Each
        # time the same commands go on from the last checkpoint.
        for gone in ((), (1,), (0,)):
            workers = Workers(backend, two, two, hosts=hosts)
            wait_for_points(log, len(read_metrics(log)) + 4, workers)
            with cut(hosts):
                begun = time.monotonic()
                for index in gone:
                    workers.processes[index].kill()
                codes, lines = workers.end()
                took = time.monotonic() - begun
            survivors = [index for index in range(2) if index not in gone]
            assert [codes[index] for index in survivors] == [2] * len(survivors)
            assert took < 60
            for index in survivors:
                assert f"worker {index} of 2 (from 0) lost another worker; start all of them again" in lines[index]

        # A link that comes back within seconds is no loss.
        workers = Workers(backend, two, two, hosts=hosts)
        wait_for_points(log, len(read_metrics(log)) + 2, workers)
        with cut(hosts):
            time.sleep(3)
        assert workers.end()[0] == [0, 0]
        assert hosts.dropped
    assert_same_curves(tmp_path / "alone" / "run" / "metrics.jsonl", log)
