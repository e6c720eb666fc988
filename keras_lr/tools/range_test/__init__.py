"""The range test."""
