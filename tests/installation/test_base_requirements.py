import subprocess
import sys

import pytest

CODE = """
import importlib, sys

EXTRAS = {"boto3", "google_crc32c", "joblib", "matplotlib", "numba", "pycocoevalcap", "sklearn", "tensorboard",
          "tensorflow_datasets"}

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in EXTRAS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
import kaleido
from kaleido.app.registry import tasks

assert tasks() and kaleido.load and kaleido.list_models and kaleido.Model
for module in ("export", "predictions"):
    importlib.import_module(f"kaleido.pretrained.{module}")
"""


@pytest.mark.slow
def test_what_uses_a_trained_model_needs_no_extra():
    result = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
