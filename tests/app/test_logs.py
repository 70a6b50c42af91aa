import resource

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from kaleido.app.logs import MetricsLog, read_metrics
from kaleido.errors import UserError


def events(directory):
    found = EventAccumulator(str(directory / "tensorboard")).Reload()
    return [event.step for event in found.Scalars("loss")]


def test_points_and_events_are_on_the_disk_when_written(tmp_path):
    log = MetricsLog(tmp_path, 0)
    for step in (1, 2, 3):
        log.write(step, {"loss": 0.5})
    assert [point["step"] for point in read_metrics(tmp_path / "metrics.jsonl")] == events(tmp_path) == [1, 2, 3]
    log.close()


def test_after_a_kill_no_step_is_missing_and_none_stands_twice(tmp_path):
    for first in (0, 2):
        log = MetricsLog(tmp_path, first)
        for step in range(first + 1, 5):
            log.write(step, {"loss": 0.5})
        log.close()
    assert [point["step"] for point in read_metrics(tmp_path / "metrics.jsonl")] == events(tmp_path) == [1, 2, 3, 4]


@pytest.mark.parametrize("back", [10.0, 3600.0, 40 * 365 * 86400.0])
def test_a_clock_that_is_set_back_loses_no_point(tmp_path, monkeypatch, back):
    now = [1.8e9]
    monkeypatch.setattr("time.time", lambda: now[0])
    for first in (0, 2, 4, 6):
        log = MetricsLog(tmp_path, first)
        for step in range(first + 1, first + 4):
            log.write(step, {"loss": 0.5})
            now[0] -= back / 10
        log.close()
        now[0] -= back
    assert events(tmp_path) == [point["step"] for point in read_metrics(tmp_path / "metrics.jsonl")] == [*range(1, 10)]


def test_a_last_line_cut_off_is_left_out_and_another_damaged_one_named(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert read_metrics(path) == [{"step": 1}, {"step": 2}]
    path.write_bytes(b'{"step": 1}\n{"st\xffp": 2}\n{"step": 3}\n')
    with pytest.raises(UserError, match=r"metrics\.jsonl, line 2: damaged"):
        read_metrics(path)


@pytest.mark.parametrize(("tensorboard", "file"), [(True, "tfevents"), (False, "metrics.jsonl")])
def test_a_full_disk_ends_in_one_line_and_leaves_what_was_there(tmp_path, tensorboard, file):
    log = MetricsLog(tmp_path, 0, tensorboard)
    log.write(1, {"loss": 0.5})
    size = max(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5, before[1]))
    try:
        with pytest.raises(UserError, match=rf"{file}.* cannot be written: File too large"):
            log.write(2, {"loss": 0.5})
        log.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert read_metrics(tmp_path / "metrics.jsonl")[0] == {"step": 1, "loss": 0.5}
    MetricsLog(tmp_path, 1, tensorboard).close()
    assert read_metrics(tmp_path / "metrics.jsonl") == [{"step": 1, "loss": 0.5}]
