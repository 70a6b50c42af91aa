"""What fine-tuned applications share: the pre-trained model that they start from (paper section 4.2)."""

from pathlib import Path

from kaleido.app.finetune_config import FinetuneConfig
from kaleido.app.model_folder import load_model, read_model_config
from kaleido.app.records_application import RecordsApplication
from kaleido.errors import UserError
from kaleido.model.config import ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert


class Finetuning(RecordsApplication):
    """An application on a pre-trained model, or on a new one as the configuration says.

    Args:
        config: Task, records, folder of the run, the model to start from, training.

    Attributes:
        start: The pre-trained model, None where none is given.
        architecture: Its configuration, or that of the new one.

    Raises:
        UserError: if the model was fine-tuned already, or is of another backbone or vocabulary than the records.
    """

    description = "fine-tune"
    pipeline_tasks = ()

    def __init__(self, config: FinetuneConfig):
        super().__init__(config)
        self.start = load_model(Path(config.model)) if config.model else None
        if self.start is not None and not isinstance(self.start, KaleidoBert):
            raise UserError(f"{config.model}: a fine-tuned model; name the `model` folder of a pre-training run")
        self.architecture = self.start.config if self.start else self._new_architecture()
        self._check_prepared(config.model, self.architecture)

    @property
    def raw_positions(self) -> bool:
        return bool(self.architecture.compatibility.raw_positions)

    def _new_architecture(self) -> ModelConfig:
        feature_size = self.open_records("train").feature_size
        return self.config.model_config.resolve(self.tokenizer.vocab_size, feature_size)

    def _check_prepared(self, directory: str, architecture: ModelConfig) -> None:
        """Raises a UserError where a model is of another backbone or vocabulary than the records."""
        records = self.open_records("train")
        wanted = {"vocab_size": self.tokenizer.vocab_size, "feature_size": records.feature_size}
        found = {key: getattr(architecture, key) for key in wanted}
        if directory:
            prepared = read_model_config(Path(directory))["records"]
            for key in ("backbone", "vocabulary"):
                # Records of other kinds than photos do not know either.
                if key in prepared and key in records.metadata:
                    found[key], wanted[key] = prepared[key], records.metadata[key]
        for key, value in wanted.items():
            if found[key] != value:
                saved, value = (_short(given) for given in (found[key], value))
                raise UserError(
                    f"{directory}: the model's {key} is {saved} and that of {self.config.records} {value}; "
                    "prepare the catalogue with the model's backbone and vocabulary"
                )


def _short(value: object) -> object:
    """A vocabulary by the beginning of its checksum."""
    return f"{value['sha256'][:8]}..." if isinstance(value, dict) else value
