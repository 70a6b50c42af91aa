from record_fixtures import records, synthetic  # noqa: F401
from training_fixtures import config  # noqa: F401
