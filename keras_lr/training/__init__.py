"""Modules for one training: its saved state, its audit, the rates of a checkpoint."""
