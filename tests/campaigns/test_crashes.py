import pytest
from crashes import STAGES, run_campaign


@pytest.mark.slow
def test_nothing_is_lost_by_kills(tmp_path):
    trials = run_campaign(kills=6, seed=0, work=tmp_path)
    assert {trial.stage for trial in trials} == set(STAGES)
    assert [trial.losses for trial in trials if trial.losses] == []
