"""The blocks of a model, from the input to the head, and regular expressions for the paths of their variables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from posixpath import commonpath
from typing import Any

import keras

from keras_lr.core.refusals import refuse

SHARED = re.compile(r"(?i)^(.*?block_?\d+[a-z]?|expanded_conv(?:_\d+)?)(?=_|$)")
"""The part of a name that all layers of a block share: `conv2_block1` in `conv2_block1_0_conv`."""

EMBEDDING, INPUT = re.compile(r"(?i)embed"), re.compile(r"(?i)patch|stem")
"""Names of layers below all blocks: an embedding anywhere, patches and a stem before the first block."""

HEAD = "head"


@dataclass
class Block:
    """Layers that train at the same rate.

    `kind` is "lowest", "block", "final" (a normalization) or "head". `form` is the same for blocks that repeat: the
    class of a layer that contains layers, "shared" for layers whose names share a part, "" for a single layer.
    """

    name: str
    kind: str
    layers: list[str] = field(default_factory=list)
    variables: list[Any] = field(default_factory=list)
    form: str = ""

    @property
    def paths(self) -> list[str]:
        return [variable.path for variable in self.variables]


@dataclass(frozen=True)
class _Leaf:
    """A layer that is not divided further, or the variables of a model outside of its layers."""

    layer: Any
    variables: list[Any]
    form: str = ""
    is_own: bool = False

    @property
    def name(self) -> str:
        return str(self.layer.name)

    @property
    def is_embedding(self) -> bool:
        if self.is_own or isinstance(self.layer, keras.layers.Embedding):
            return True
        return bool(EMBEDDING.search(self.name)) and not INPUT.search(self.name)

    @property
    def is_input(self) -> bool:
        return bool(INPUT.search(self.name))

    @property
    def is_normalization(self) -> bool:
        """By the name of its class, in Keras `LayerNormalization`, in Keras Hub also `T5LayerNorm`."""
        return not self.form and "Norm" in type(self.layer).__name__ and all(len(it.shape) < 2 for it in self.variables)


def blocks_of(model: Any) -> list[Block]:
    """The blocks of a model that have trainable variables, from the lowest to the head.

    A model has no head if it ends with a normalization after its blocks, or with a block like the one below it. Then
    it is a backbone, or its output is computed with the weights of its embedding.
    """
    search = _Search(model)
    body, top = search.split(model)
    top += search.outputs
    blocks: list[Block] = []
    for leaf in body:
        _add(leaf, blocks)
    blocks = [block for block in blocks if block.kind == "lowest"] + [it for it in blocks if it.kind != "lowest"]
    head: list[Block] = []
    if top:
        head = [Block(HEAD, HEAD)]
        for leaf in top:
            _extend(head[0], leaf)
    elif not _is_repeated(blocks) and (blocks[-1].kind != "final" or len(blocks) == 1):
        head = [blocks.pop()]
        head[0].kind = HEAD
    return _with_embeddings_lowest([*_with_final(blocks), *head])


def _is_repeated(blocks: list[Block]) -> bool:
    """Whether the last block is one of several like it."""
    return len(blocks) > 1 and blocks[-1].form != "" and blocks[-1].form == blocks[-2].form


def _add(leaf: _Leaf, blocks: list[Block]) -> None:
    """Put a layer into its block, or begin a new block with it."""
    form = leaf.form
    if shared := SHARED.match(leaf.name):
        name, kind, form = shared[1], "block", "shared"
        block = next((it for it in blocks if it.name == name), None)
    elif leaf.is_embedding or (leaf.is_input and all(it.kind == "lowest" for it in blocks)):
        name, kind, form = leaf.name, "lowest", ""
        block = next((it for it in blocks if it.kind == kind), None)
    elif leaf.is_normalization:
        # After a compound block it may be the model's last one. That is decided at the end.
        name, kind = leaf.name, "final"
        block = blocks[-1] if blocks and not blocks[-1].form else None
    else:
        name, kind, block = leaf.name, "block", None
    if block is None:
        block = Block(name, kind, form=form)
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


def _with_embeddings_lowest(blocks: list[Block]) -> list[Block]:
    """Move embeddings that have the same path in several blocks to the lowest: T5 has one in each of two stacks."""
    count = Counter(path for block in blocks for path in set(block.paths))
    for block in blocks[1:]:
        shared = [it for it in block.variables if count[it.path] > 1 and EMBEDDING.search(it.path)]
        blocks[0].variables += shared
        block.variables = [it for it in block.variables if all(it is not other for other in shared)]
    return [block for block in blocks if block.variables]


class _Search:
    """Finds the layers of a model with variables that the model trains.

    A layer's `trainable_variables` do not tell this. With LoRA the layers around a trained one are frozen, and the
    model trains it all the same.
    """

    def __init__(self, model: Any) -> None:
        self._trained = {id(variable) for variable in model.trainable_variables}
        self._seen: set[int] = set()
        self.outputs: list[_Leaf] = []
        """Output weights of embeddings, which are a head: a `ReversibleEmbedding` may have its own."""

    def split(self, model: Any) -> tuple[list[_Leaf], list[_Leaf]]:
        """The layers of the body, and those of the head if there is a nested model: everything after the last one."""
        parts = self._parts(model)
        nested = [place for place, layer in enumerate(parts) if self._is_stack(layer)]
        end = nested[-1] if nested else len(parts)
        if any(SHARED.match(layer.name) for layer in parts[end + 1 :]) or _count(parts[end + 1 :]) > _count(
            parts[place] for place in nested
        ):
            end = len(parts)  # a nested stem, as in ConvNeXt: more than a head follows
        body = [*self._own(model), *(leaf for layer in parts[:end] for leaf in self._leaves(layer))]
        if end == len(parts):
            return body, []
        inner, inner_top = self.split(parts[end])
        top = [leaf for layer in parts[end + 1 :] for leaf in self._leaves(layer)]
        # What looks like the head of a nested model is a part of the body if something follows.
        return ([*body, *inner, *inner_top], top) if top else ([*body, *inner], inner_top)

    def _leaves(self, layer: Any) -> Iterator[_Leaf]:
        """The inner layers with trained variables. A shared variable belongs to the first of them."""
        if self._is_stack(layer):
            yield from self._own(layer)
            for inner in self._parts(layer):
                yield from self._leaves(inner)
            return
        form = type(layer).__name__ if self._parts(layer) else ""
        if output := self._new([it for it in self._variables(layer) if it is getattr(layer, "reverse_embeddings", 0)]):
            self.outputs.append(_Leaf(layer, output))
        if variables := self._new(self._variables(layer)):
            yield _Leaf(layer, variables, form)

    def _own(self, layer: Any) -> list[_Leaf]:
        inner = {id(variable) for sub in _sublayers(layer) for variable in sub.variables}
        variables = self._new([it for it in self._variables(layer) if id(it) not in inner])
        return [_Leaf(layer, variables, is_own=True)] if variables else []

    def _variables(self, layer: Any) -> list[Any]:
        return [variable for variable in layer.variables if id(variable) in self._trained]

    def _new(self, variables: list[Any]) -> list[Any]:
        found = [variable for variable in variables if id(variable) not in self._seen]
        self._seen.update(map(id, found))
        return found

    def _parts(self, layer: Any) -> list[Any]:
        """The layers in a layer that have trained variables."""
        return [sub for sub in _sublayers(layer) if self._variables(sub)]

    def _is_stack(self, layer: Any) -> bool:
        """Whether a layer is divided into blocks: a model, or a layer with a list of layers that contain layers."""
        if SHARED.fullmatch(layer.name):
            return False
        if isinstance(layer, keras.Model):
            return True
        lists = [value for value in vars(layer).values() if isinstance(value, list | tuple)]
        return any(
            len(value) > 1 and all(isinstance(it, keras.Layer) and self._parts(it) for it in value) for value in lists
        )


def _count(layers: Iterable[Any]) -> int:
    """The variables of layers, frozen ones too."""
    return sum(len(layer.variables) for layer in layers)


def _sublayers(layer: Any) -> list[Any]:
    if isinstance(layer, keras.Model):
        return list(layer.layers)
    return [it for it in layer._flatten_layers(include_self=False, recursive=False) if isinstance(it, keras.Layer)]


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
    return f"^({'|'.join(map(re.escape, dict.fromkeys(block.paths)))})$"


def _candidates(block: Block) -> Iterator[str]:
    if len(block.layers) > 1 and SHARED.fullmatch(block.name):
        yield f"(^|/){re.escape(block.name)}_"
    layers = [re.escape(name) for name in dict.fromkeys(block.layers) if name]
    if layers:
        names = layers[0] if len(layers) == 1 else f"({'|'.join(layers)})"
        yield f"(^|/){names}/"
        yield f"^{names}/"
    shared = commonpath(path.rpartition("/")[0] for path in block.paths).split("/")
    for first in reversed(range(len(shared))):
        yield f"(^|/){re.escape('/'.join(shared[first:]))}/"
    ends = dict.fromkeys("/".join(path.split("/")[-2:]) for path in block.paths)
    yield f"(^|/)({'|'.join(map(re.escape, ends))})$"
