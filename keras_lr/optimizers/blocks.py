"""The blocks of a model, from the input to the head, and regular expressions for the paths of their variables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import keras

from keras_lr.core.refusals import refuse

SHARED = re.compile(r"(?i)^(.*?block_?\d+[a-z]?|expanded_conv(?:_\d+)?)(?=_|$)")
"""The part of a name that all layers of a block share: `conv2_block1` in `conv2_block1_0_conv`."""

LOWEST = re.compile(r"(?i)embed|patch|stem")
"""Names of layers below all blocks."""

HEAD = "head"


@dataclass
class Block:
    """Layers that train at the same rate. `kind` is "lowest", "block", "final" (a normalization) or "head"."""

    name: str
    kind: str
    layers: list[str] = field(default_factory=list)
    variables: list[Any] = field(default_factory=list)
    is_compound: bool = False

    @property
    def paths(self) -> list[str]:
        return [variable.path for variable in self.variables]


@dataclass(frozen=True)
class _Leaf:
    """A layer that is not divided further, or the variables of a model outside of its layers."""

    layer: Any
    variables: list[Any]
    is_own: bool = False

    @property
    def name(self) -> str:
        return str(self.layer.name)

    @property
    def is_lowest(self) -> bool:
        return self.is_own or isinstance(self.layer, keras.layers.Embedding) or bool(LOWEST.search(self.name))

    @property
    def is_normalization(self) -> bool:
        kind = type(self.layer).__name__
        return "Normalization" in kind and not isinstance(self.layer, keras.layers.Wrapper)

    @property
    def is_compound(self) -> bool:
        return SHARED.match(self.name) is not None or any(_weighted(_sublayers(self.layer)))


def blocks_of(model: Any) -> list[Block]:
    """The blocks of a model that have trainable variables, from the lowest to the head."""
    body, top = _split(model)
    blocks: list[Block] = []
    for leaf in body:
        _add(leaf, blocks)
    blocks = [block for block in blocks if block.kind == "lowest"] + [it for it in blocks if it.kind != "lowest"]
    if not top:
        last = blocks.pop()
        return [*_with_final(blocks), Block(last.name, HEAD, last.layers, last.variables)]
    head = Block(HEAD, HEAD)
    for leaf in top:
        _extend(head, leaf)
    return [*_with_final(blocks), head]


def _add(leaf: _Leaf, blocks: list[Block]) -> None:
    """Put a layer into its block, or begin a new block with it."""
    if shared := SHARED.match(leaf.name):
        name, kind = shared[1], "block"
        block = next((it for it in blocks if it.name == name), None)
    elif leaf.is_lowest:
        name, kind = leaf.name, "lowest"
        block = next((it for it in blocks if it.kind == kind), None)
    elif leaf.is_normalization:
        # After a compound block it may be the model's last one. That is decided at the end.
        name, kind = leaf.name, "final"
        block = blocks[-1] if blocks and not blocks[-1].is_compound else None
    else:
        name, kind, block = leaf.name, "block", None
    if block is None:
        block = Block(name, kind, is_compound=leaf.is_compound)
        blocks.append(block)
    _extend(block, leaf)


def _extend(block: Block, leaf: _Leaf) -> None:
    block.layers.append("" if leaf.is_own else leaf.name)
    block.variables += leaf.variables


def _with_final(blocks: list[Block]) -> list[Block]:
    """Put a normalization between two blocks into the first. One after the last block is a separate block."""
    joined: list[Block] = []
    for block in blocks:
        if joined and joined[-1].kind == "final" and len(joined) > 1:
            final = joined.pop()
            joined[-1].layers += final.layers
            joined[-1].variables += final.variables
        joined.append(block)
    if joined and joined[0].kind == "final":
        joined[0].kind = "block"
    return joined


def _split(model: Any) -> tuple[list[_Leaf], list[_Leaf]]:
    """The layers of the body, and those of the head if there is a nested model: everything after the last one."""
    seen: set[int] = set()
    parts = list(_weighted(_sublayers(model)))
    nested = [place for place, layer in enumerate(parts) if _is_stack(layer)]
    end = nested[-1] + 1 if nested and nested[-1] + 1 < len(parts) else len(parts)
    body = [*_own(model, seen), *(leaf for layer in parts[:end] for leaf in _leaves(layer, seen))]
    top = [leaf for layer in parts[end:] for leaf in _leaves(layer, seen)]
    return body, top


def _leaves(layer: Any, seen: set[int]) -> Iterator[_Leaf]:
    """The inner layers with trainable variables. A shared variable belongs to the first of them."""
    if _is_stack(layer):
        yield from _own(layer, seen)
        for inner in _weighted(_sublayers(layer)):
            yield from _leaves(inner, seen)
    elif variables := _new(layer.trainable_variables, seen):
        yield _Leaf(layer, variables)


def _own(layer: Any, seen: set[int]) -> list[_Leaf]:
    inner = {id(variable) for sub in _sublayers(layer) for variable in sub.trainable_variables}
    variables = _new([variable for variable in layer.trainable_variables if id(variable) not in inner], seen)
    return [_Leaf(layer, variables, is_own=True)] if variables else []


def _new(variables: Iterable[Any], seen: set[int]) -> list[Any]:
    found = [variable for variable in variables if id(variable) not in seen]
    seen.update(map(id, found))
    return found


def _sublayers(layer: Any) -> list[Any]:
    if isinstance(layer, keras.Model):
        return list(layer.layers)
    return [it for it in layer._flatten_layers(include_self=False, recursive=False) if isinstance(it, keras.Layer)]


def _weighted(layers: Iterable[Any]) -> Iterator[Any]:
    return (layer for layer in layers if layer.trainable_variables)


def _is_stack(layer: Any) -> bool:
    """Whether a layer is divided into blocks: a model, or a layer with a list of layers that contain layers."""
    if SHARED.fullmatch(layer.name):
        return False
    if isinstance(layer, keras.Model):
        return True
    lists = [value for value in vars(layer).values() if isinstance(value, list | tuple)]
    return any(
        len(value) > 1 and all(isinstance(it, keras.Layer) and any(_weighted(_sublayers(it))) for it in value)
        for value in lists
    )


def pattern_of(block: Block, paths: list[str]) -> str:
    """A regular expression that matches the paths of a block's variables, and no others in `paths`.

    It avoids the name of the model if possible, since Keras leaves that out when it loads a model.

    Raises:
        ValueError: another block has a variable with the same path.
    """
    own = set(block.paths)
    if sum(path in own for path in paths) != len(block.paths):
        allowed = "a model whose layers have different names, so that the paths of variables differ"
        refuse("layerwise_decay", "model", allowed, sorted(own)[0])
    for candidate in _candidates(block):
        if {path for path in paths if re.search(candidate, path)} == own:
            return candidate
    return f"^({'|'.join(map(re.escape, block.paths))})$"


def _candidates(block: Block) -> Iterator[str]:
    if len(block.layers) > 1 and SHARED.fullmatch(block.name):
        yield f"(^|/){re.escape(block.name)}_"
    layers = [re.escape(name) for name in dict.fromkeys(block.layers) if name]
    if layers:
        names = layers[0] if len(layers) == 1 else f"({'|'.join(layers)})"
        yield f"(^|/){names}/"
        yield f"^{names}/"
    yield f"(^|/)({'|'.join(re.escape('/'.join(path.split('/')[-2:])) for path in block.paths)})$"
