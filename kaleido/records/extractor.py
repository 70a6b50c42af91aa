"""The feature extractor that a preparation describes."""

from kaleido.backend import accelerators
from kaleido.progress import tqdm
from kaleido.records.config import PrepareConfig
from kaleido.vision.backbones import create_backbone
from kaleido.vision.features import FeatureExtractor
from kaleido.vision.saliency import create_saliency


def create_extractor(config: PrepareConfig) -> FeatureExtractor:
    """Creates the extractor that turns photos into vectors as the configuration says."""
    if config.precision == "float16" and accelerators() == 0:
        tqdm.write("precision float16: without an accelerator float32 is faster")
    backbone = create_backbone(config.backbone, config.backbone_weights, config.precision)
    crop_sizes = config.crop_sizes or backbone.crop_sizes
    if config.grid == "fixed":
        crop_sizes = (crop_sizes[-1],) * len(crop_sizes)
    saliency = create_saliency(config.saliency, config.saliency_weights)
    return FeatureExtractor(
        backbone, saliency, crop_sizes, config.workers, config.batch_size, config.grid, config.max_megapixels
    )
