"""Laws that forecast a loss curve from the learning rates: fitting, forecasts, and schedules designed from them."""
