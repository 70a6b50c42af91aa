"""Experiments whose stages are made in the process of the tests, where the framework is loaded already."""

import json

import pytest

from kaleido.experiments import worker


class Here:
    """Stands for the worker process."""

    alive = True

    def make(self, request):
        answer = worker._answer(json.loads(json.dumps(request)))
        worker._reset()
        return answer

    def close(self):
        self.alive = False


@pytest.fixture(scope="module")
def stages_made_here(uncompiled, no_java):
    """Makes stages in this process, uncompiled and without METEOR."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kaleido.experiments.runner.Worker", Here)
        yield
