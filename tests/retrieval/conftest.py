from record_fixtures import synthetic, tokenizer  # noqa: F401
from training_fixtures import change, config, records  # noqa: F401
