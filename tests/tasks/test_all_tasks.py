"""The built-in tasks in the shared harness."""

import pytest
from task_harness import TaskHarness


class TestPretraining(TaskHarness):
    task = "pretraining"


class TestContrastivePretraining(TaskHarness):
    task = "pretraining"
    options = {"train_config.loss_config.itc": 1.0}


class TestCategory(TaskHarness):
    task = "category"


class TestSubcategoryFromThePhotoAlone(TaskHarness):
    task = "subcategory"
    starts = False
    options = {"recognition_config.text": False, "recognition_config.balance": 0.5}


class CaptioningHarness(TaskHarness):
    task = "caption"

    @pytest.fixture(scope="class", autouse=True)
    def no_java(self):
        """Spares the seconds that METEOR takes."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("kaleido.tasks.captioning.metrics.shutil.which", lambda name: None)
            yield


class TestCausalCaptioning(CaptioningHarness):
    options = {"caption_config.beams": 2}


class TestMaskPredictCaptioning(CaptioningHarness):
    options = {"caption_config.decoder": "mask_predict", "caption_config.rounds": 2}


class TestContrastive(TaskHarness):
    task = "contrastive"
    starts = False
    predicts = False


class TestRetrieval(TaskHarness):
    task = "retrieval"


class TestContrastiveRetrieval(TaskHarness):
    task = "retrieval"
    options = {"retrieval_config.contrastive": 0.5}
