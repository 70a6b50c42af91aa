from training_fixtures import change, config, records  # noqa: F401
from workers import backend, quiet  # noqa: F401
