"""`layerwise_decay`: factors of the learning rate for the blocks of a model, smaller towards the input."""

from __future__ import annotations

import math
import re
from typing import Any, SupportsFloat

import keras

from keras_lr.core.fields import Real
from keras_lr.core.refusals import check, refuse
from keras_lr.optimizers.blocks import HEAD, blocks_of, pattern_of
from keras_lr.optimizers.multipliers import FACTOR, number_or_schedule

DECAY = Real("a number in (0, 1]", low=0.0, high=1.0, open_low=True)


class LayerwiseMultipliers(dict[str, Any]):
    """Factors by pattern, from the input to the head: a dict that you can edit, and that prints as a table.

    Each line of the table has a pattern, its factor, and the variables for which it is the first match.
    """

    def __init__(self, factors: dict[str, Any], sizes: list[tuple[str, int]]) -> None:
        super().__init__(factors)
        self._sizes = sizes

    def __str__(self) -> str:
        rows = [("factor", "variables", "parameters", "pattern")]
        left = list(self._sizes)
        for pattern, factor in self.items():
            own = [it for it in left if re.search(pattern, it[0])]
            left = [it for it in left if it not in own]
            rows.append((_shown(factor), f"{len(own)}", f"{sum(size for _, size in own):,}", pattern))
        if left:
            rows.append(("1", f"{len(left)}", f"{sum(size for _, size in left):,}", "(the rest)"))
        widths = [max(len(row[place]) for row in rows) for place in range(3)]
        return "\n".join(
            "  ".join([*(cell.rjust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows
        )


def layerwise_decay(model: keras.Model, decay: SupportsFloat, head: Any = 1.0) -> LayerwiseMultipliers:
    """Factors of the learning rate that fall from the head of a model to its input, for `Scheduled(multipliers=…)`.

    The factor of a block is decay^d, where d = 1 for the highest block below the head, 2 for the next one below, and
    so on. Everything below all blocks has the largest d: embeddings, the patches and the stem of an image model,
    weights of the model itself. Patches of a later stage are a block there. A normalization between the last block and
    the head has 1.0. This is the rule of BEiT (Bao et al. 2021, arXiv 2106.08254) and of ELECTRA (Clark et al. 2020,
    arXiv 2003.10555).

    The blocks follow the order of the model's layers, by these rules:

    - A nested model, or a layer with a list of several layers that contain layers (an encoder), is divided further.
      Every other layer is one block: a Transformer block, a convolution, a dense layer.
    - Layers whose names share a part such as ``conv2_block1``, ``block_3`` or ``stage_0_block_2`` are one block, as
      in Keras Applications. A normalization belongs to the block before it.
    - The head consists of everything after the last nested model. It is the last block in a model without a nested
      one, and in a model whose nested one is only a stem. Output weights of a `ReversibleEmbedding` are in the head.
    - A model that ends with a normalization, or with a block like the one below it, has no head. It is a backbone,
      or a language model whose output is computed with the weights of its embedding.

    The mapping contains only variables that are trainable now, so freeze layers first.

    Args:
        model: a built model.
        decay: the factor from block to block, in (0, 1]. BEiT uses 0.65 to 0.95, more for larger models.
        head: the factor of the head, a number >= 0 or a schedule; 1.0 for a model without a head.

    Returns:
        A dict from patterns to factors, from the input to the head. It prints as a table. You can replace entries.

    Raises:
        TypeError: `model` is not a Keras model, or `decay` or `head` has the wrong type.
        ValueError: the model is not built or has no trainable variables, `decay` or `head` is out of its range, or
            two layers of different blocks have variables with the same path, and these are not embeddings.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), *[keras.layers.Dense(4, name=name) for name in "abc"]])
        >>> layerwise_decay(model, 0.5, head=10)
        {'(^|/)a/': 0.25, '(^|/)b/': 0.5, '(^|/)c/': 10.0}
    """
    if not isinstance(model, keras.Model):
        refuse("layerwise_decay", "model", "a Keras model", model, TypeError)
    each: float = check(DECAY, "layerwise_decay", "decay", decay)
    factor = number_or_schedule(check(FACTOR, "layerwise_decay", "head", head))
    if not model.built or not model.trainable_variables:
        refuse("layerwise_decay", "model", "a built model with trainable variables", model)
    blocks = blocks_of(model)
    if blocks[-1].kind != HEAD and factor != 1.0:
        allowed = f"1.0 for a model without a head, as this one is: it ends with {blocks[-1].name!r}"
        refuse("layerwise_decay", "head", allowed, head)
    sizes = [(variable.path, math.prod(variable.shape)) for variable in model.trainable_variables]
    paths = [path for path, _ in sizes]
    steps = sum(block.kind not in ("final", HEAD) for block in blocks)
    factors: dict[str, Any] = {}
    for number, block in enumerate(blocks):
        below = {"final": 1.0, HEAD: factor}.get(block.kind, each ** (steps - number))
        factors[pattern_of(block, paths)] = below
    return LayerwiseMultipliers(factors, sizes)


def _shown(factor: Any) -> str:
    return f"{factor:.4g}" if isinstance(factor, float | int) else str(factor)
