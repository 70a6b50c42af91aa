from training_fixtures import change, config, records  # noqa: F401
