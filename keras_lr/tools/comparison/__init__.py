"""The comparison of schedules."""
