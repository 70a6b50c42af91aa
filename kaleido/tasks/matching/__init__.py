"""Fine-tuning for retrieval: image-text matching with hard negatives, and the two-tower model."""
