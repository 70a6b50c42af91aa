"""The application layer: the Application contract, the training loop, steps, checkpoints, configuration sections."""
