"""Laws that forecast a loss curve from the learning rates: fits, forecasts, and the best schedules by a law."""
