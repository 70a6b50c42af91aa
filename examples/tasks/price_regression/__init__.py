"""Price regression: a task with a model of its own, registered by importing this folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kaleido.app.finetune_config import FinetuneConfig
from kaleido.app.finetuning import Finetuning
from kaleido.app.registry import register_task
from kaleido.app.result import Result, task_result
from kaleido.app.signatures import Signature, bert_signatures
from kaleido.backend import ops
from kaleido.errors import UserError
from kaleido.model.config import ModelConfig
from kaleido.ranges import check_range
from kaleido.records.catalog_columns import column_values
from kaleido.records.reader import SplitRecords
from kaleido.rows import csv_bytes

if TYPE_CHECKING:
    from .model import PriceModel


@dataclass(frozen=True)
class PriceConfig:
    """Configuration of the task `price`.

    Args:
        column: Numeric column of the catalogue; products without a number in it do not count.
        delta: Error, in standard deviations of the price, from which on the loss grows linearly instead of squarely.
    """

    column: str = "price"
    delta: float = 1.0

    def __post_init__(self):
        check_range(self, "(0, inf)", "delta", section="price_config")


@register_task("price", "to estimate the price of a product")
class PriceRegression(Finetuning):
    """Regression of a numeric column of the catalogue from photo and text.

    Args:
        config: Configuration of `finetune`.
        saved: Folder of a saved model to evaluate, instead of the model of the run.

    Raises:
        UserError: if fewer than two training products have a price.
    """

    sections = {"price_config": PriceConfig}
    answer = "estimate"
    provides = ("embed", "estimate")
    metric_tags = ("loss/price", "error/price")

    def __init__(self, config: FinetuneConfig, saved: Path | None = None):
        super().__init__(config, saved)
        if not self.saved:
            prices = self.labels(self.open_records("train"))["price"]
            known = prices[np.isfinite(prices)].astype(float)
            if len(known) < 2:
                column = config.price_config.column
                raise UserError(f"{config.records}: two training products need a {column}. Received: {len(known)}")
            # The model learns standardised prices; these two numbers are saved with it.
            self.saved_values = {"mean": known.mean(), "deviation": known.std() or 1.0}

    @classmethod
    def create_model(cls, content: Mapping[str, Any]) -> "PriceModel":
        from .model import PriceModel

        values = content["task_config"]
        return PriceModel(ModelConfig.from_dict(content["architecture"]), values["mean"], values["deviation"])

    @classmethod
    def signatures(cls, model: "PriceModel") -> dict[str, Signature]:
        return {**bert_signatures(model), "estimate": Signature(lambda batch: model(batch, training=False))}

    def labels(self, records: SplitRecords) -> dict[str, np.ndarray]:
        return {"price": column_values(records, self.config.price_config.column, self.config.catalog)}

    def build_loss_weights(self, labels: Mapping) -> dict[str, Any]:
        return {"price": ops.sum(_known(labels))}

    def build_eval_metrics(self, logits: Mapping, labels: Mapping) -> dict[str, tuple[Any, Any]]:
        known = _known(labels)
        # Where there is no price, the estimate stands in: NaN times 0 would be NaN.
        prices = ops.where(known > 0, labels["price_label"], ops.stop_gradient(logits["price"]))
        errors = ops.abs(logits["price"] - prices)
        scaled, delta = errors / self.model.deviation, self.config.price_config.delta
        losses = ops.where(scaled < delta, scaled**2 / 2, delta * (scaled - delta / 2))
        count = ops.sum(known)
        return {"loss/price": (ops.sum(losses), count), "error/price": (ops.sum(errors), count)}

    def evaluate(self) -> Result:
        split = self.config.evaluate_config.split
        found = self.run_predict(split)
        prices, estimates = found["price_label"].astype(float), found["price"].astype(float)
        known = np.isfinite(prices)
        if not known.any():
            raise UserError(f"{self.config.records}: no {split} product has a price; name another split")
        errors, spread = (estimates - prices)[known], prices[known].var()
        metrics = {
            "mean_absolute_error": float(np.abs(errors).mean()),
            "r2": 1 - float(np.square(errors).mean() / spread) if spread else 0.0,
        }
        photos = self.open_records(split).photo_ids()
        rows = [["photo_id", "price", "estimate"], *zip(photos, prices.round(2), estimates.round(2))]
        return task_result("price", split, metrics, {f"predictions-{split}.csv": csv_bytes(rows)}, photos=len(errors))


def _known(batch: Mapping) -> Any:
    """Returns 1 for products with a price and 0 for others, float32 [B]."""
    return ops.cast(ops.logical_not(ops.isnan(batch["price_label"])), "float32")
