"""The built-in tasks in the shared harness."""

import shutil
from pathlib import Path

import pytest
from task_harness import TINY, TaskHarness

from kaleido import configuration
from kaleido.app.registry import find_task, tasks


class TestPretraining(TaskHarness):
    task = "pretraining"


class TestCategory(TaskHarness):
    task = "category"


class TestSubcategoryFromThePhotoAlone(TaskHarness):
    task = "subcategory"
    starts = False
    options = {"recognition_config.text": False, "recognition_config.balance": 0.5}


class TestCausalCaptioning(TaskHarness):
    task = "caption"
    options = {"caption_config.beams": 2}


class TestMaskPredictCaptioning(TaskHarness):
    task = "caption"
    options = {"caption_config.decoder": "mask_predict", "caption_config.rounds": 2}


class TestContrastive(TaskHarness):
    task = "contrastive"
    starts = False
    predicts = False


class TestRetrieval(TaskHarness):
    task = "retrieval"
