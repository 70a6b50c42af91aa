"""The feature extractor that a preparation describes."""

from kaleido.records.config import PrepareConfig
from kaleido.vision.backbones import create_backbone
from kaleido.vision.features import FeatureExtractor
from kaleido.vision.saliency import create_saliency


def create_extractor(config: PrepareConfig) -> FeatureExtractor:
    """Creates the extractor that turns photos into vectors as the configuration says."""
    backbone = create_backbone(config.backbone, config.backbone_weights)
    crop_sizes = config.crop_sizes or backbone.crop_sizes
    if config.grid == "fixed":
        crop_sizes = (crop_sizes[-1],) * len(crop_sizes)
    saliency = create_saliency(config.saliency, config.saliency_weights)
    return FeatureExtractor(
        backbone, saliency, crop_sizes, config.workers, config.batch_size, config.grid, config.max_megapixels
    )
