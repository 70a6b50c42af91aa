"""Recognition of whatever else a catalogue says of its products."""

import numpy as np

from kaleido.records.catalog_columns import column_labels
from kaleido.records.reader import SplitRecords
from kaleido.tasks.classification.application import Recognition


class AttributeRecognition(Recognition):
    """Which value a product has in a further column of the catalogue: gender, colour, article type.

    Args:
        config: Column, records, folder of the run, the model to start from, training.

    Raises:
        UserError: if the catalogue has no such column.
    """

    def read_classes(self, records: SplitRecords) -> tuple[list[str], np.ndarray]:
        section = self.config.recognition_config
        return column_labels(records, section.column, section.catalog)
