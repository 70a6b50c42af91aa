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


@pytest.mark.usefixtures("no_java")
class TestCausalCaptioning(TaskHarness):
    task = "caption"
    options = {"caption_config.beams": 2}


@pytest.mark.usefixtures("no_java")
class TestMaskPredictCaptioning(TaskHarness):
    task = "caption"
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
