from record_fixtures import catalog, prepare_config, records, synthetic, tokenizer  # noqa: F401
