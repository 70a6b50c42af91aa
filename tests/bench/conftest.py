from record_fixtures import synthetic, tokenizer  # noqa: F401
