"""Installs Kaleido: `pip install .`, or `python setup.py develop` for a checkout in use."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

setup(
    name="kaleido",
    version="0.1.0",
    description="Vision-language pre-training for fashion: Kaleido-BERT on TensorFlow 2 and Keras 3",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    packages=find_packages(include=["kaleido", "kaleido.*"]),
    package_data={
        "kaleido.experiments.report": ["paper.yaml"],
        "kaleido.vision.backbones": ["efficientnet_lite0.*"],
        "kaleido.vision.saliency": ["network/*"],
    },
    python_requires=">=3.11",
    install_requires=[
        "tensorflow>=2.18",
        "keras>=3.10",
        "tensorflow-datasets>=4.9.7",
        "array-record>=0.5.1",
        "numpy>=1.26",
        "numba>=0.60",
        "scikit-learn>=1.4",
        "scipy>=1.11",
        "sentencepiece>=0.2.0",
        "tokenizers>=0.20",
        "safetensors>=0.4",
        "pillow>=10.4",
        "h5py>=3.11",
        "joblib>=1.4",
        "tqdm>=4.66",
        "boto3>=1.34",
        "requests>=2.32",
        "jsonargparse[signatures]>=4.49",
        "pyyaml>=6.0",
        "matplotlib>=3.8",
        "tensorboard>=2.18",
        # Bleu, METEOR, ROUGE-L and CIDEr; brings its Java programs with it, 104 MB, and no Java runtime.
        "pycocoevalcap>=1.2",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.18"],
        "jax": ["jax>=0.4.30"],
        "test": [
            "jax>=0.4.30",
            "pytest>=8",
            "pytest-timeout>=2.3",
            "pytest-xdist>=3.6",
            "hypothesis>=6.100",
            "ruff>=0.6",
            "moto[server]>=5",
        ],
    },
    entry_points={"console_scripts": ["kaleido=kaleido.__main__:main"]},
)
