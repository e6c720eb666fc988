"""What belongs to one training: its saved state, its audit, the rates of a checkpoint."""
