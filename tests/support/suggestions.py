"""Records fastai's suggestions for some curves in `suggestions.json`. It needs a separate environment:

pip install fastai
python tests/support/suggestions.py
"""

import importlib.metadata
import json
from pathlib import Path

import numpy as np

RECORDED = Path(__file__).parent / "suggestions.json"


def curves():
    """Losses of made-up range tests. They fall and rise, with different noise and length, and some end early."""
    for seed in range(12):
        draw = np.random.default_rng(seed)
        steps = (60, 100, 100, 250)[seed % 4]
        rates = np.geomspace(1e-7, 10.0, steps)
        middle, width, depth = draw.uniform(-3.5, -1.0), draw.uniform(0.2, 0.7), draw.uniform(1.0, 3.0)
        place = np.log10(rates)
        losses = 4.0 - depth / (1.0 + np.exp(-(place - middle) / width)) + 0.3 * np.exp(2.5 * (place - middle - 1.0))
        losses += draw.normal(size=steps) * draw.choice([0.0, 0.03, 0.1])
        smoothed, total = [], 0.0
        for index, loss in enumerate(losses):
            total = 0.98 * total + 0.02 * loss
            smoothed.append(total / (1.0 - 0.98 ** (index + 1)))
        smoothed = np.array(smoothed)
        over = np.flatnonzero(smoothed > 4.0 * np.minimum.accumulate(smoothed))
        count = int(over[0]) + 1 if len(over) else steps
        yield f"curve {seed}", steps, rates[:count], losses[:count], smoothed[:count]


def record():
    import torch
    from fastai.callback import schedule as fastai

    rules = {"valley": fastai.valley, "steepest": fastai.steep, "minimum": fastai.minimum, "slide": fastai.slide}
    recorded = []
    for name, steps, rates, losses, smoothed in curves():
        part = slice(steps // 10, -5)
        x, y = torch.tensor(rates[part]), torch.tensor(smoothed[part])
        answers = {rule: float(function(x, y, steps)[0]) for rule, function in rules.items()}
        recorded.append(
            {
                "name": name,
                "steps": steps,
                "learning_rate": rates.tolist(),
                "loss": losses.tolist(),
                "smoothed_loss": smoothed.tolist(),
                "suggestions": answers,
            }
        )
    RECORDED.write_text(json.dumps({"fastai": importlib.metadata.version("fastai"), "curves": recorded}) + "\n")


if __name__ == "__main__":
    record()
