"""Products come in: catalogues, tables and importers. No deep-learning library is needed here."""
