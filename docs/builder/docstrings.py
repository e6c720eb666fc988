"""Docstrings as Markdown: formulas as blocks, papers and public names as links; signatures of schedules.

A griffe extension for mkdocstrings, and the same functions for the gallery.
"""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import griffe

import keras_lr
from keras_lr.core.frozen import declared_arguments

FORMULA = re.compile(r"f\(t\) |\w+:\s+f\(t\) |decay_steps = ")
SECTIONS = ("Args", "Returns", "Raises", "Example", "Attributes")


def paragraphs(text: str) -> list[str]:
    return re.split(r"\n\s*\n", inspect.cleandoc(text))


def is_formula(paragraph: str) -> bool:
    """Whether it begins with a formula, which explanations may follow."""
    return bool(FORMULA.match(paragraph))


def as_block(paragraph: str) -> str:
    """The formula as a block: a line for each, which wraps by itself, with what explains it."""
    lines = re.split(rf"\n(?={FORMULA.pattern})", paragraph.replace("`", ""))
    shown = "\n".join(re.sub(r" {4,}", "   ", " ".join(line.split("\n"))) for line in lines)
    return f"```text\n{shown}\n```"


def linked(text: str, own: str = "") -> str:
    """Papers as links to arXiv, and public names in backticks as links to the reference."""
    text = re.sub(r"arXiv\s+(\d{4}\.\d{5})", r"[arXiv \1](https://arxiv.org/abs/\1)", text)
    names = "|".join(sorted((name for name in keras_lr.__all__ if name != own), key=len, reverse=True))
    return re.sub(rf"(?<![`\[])`({names})`(?![`\]])", r"[`\1`][keras_lr.\1]", text)


def markdown(text: str, own: str = "") -> str:
    """The docstring with its formulas as blocks and its links."""
    shown = [as_block(part) if is_formula(part) else linked(_returned(part), own) for part in paragraphs(text)]
    return re.sub(r"^Example:$", "Examples:", "\n\n".join(shown), flags=re.MULTILINE)


def _returned(paragraph: str) -> str:
    """What is returned, as a sentence: griffe takes what stands before a colon for a type."""
    return paragraph.replace(": ", "&#58; ") if paragraph.startswith("Returns:") else paragraph


class Docstrings(griffe.Extension):
    """What griffe cannot see in the source: how docstrings are written here, and constructors made at run time."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value, obj.name)

    def on_class(self, *, cls: griffe.Class, **kwargs: Any) -> None:
        found = getattr(importlib.import_module(cls.module.path), cls.name, None)
        if not (inspect.isclass(found) and issubclass(found, keras_lr.Schedule) and found is not keras_lr.Schedule):
            return
        parameters = [griffe.Parameter("self", kind=griffe.ParameterKind.positional_or_keyword)]
        for name, parameter in found._signature.parameters.items():
            default = None if parameter.default is inspect.Parameter.empty else repr(parameter.default)
            annotation = cls.members[declared_arguments(found)[name].attribute].annotation
            kind = griffe.ParameterKind.positional_or_keyword
            parameters.append(griffe.Parameter(name, kind=kind, default=default, annotation=annotation))
        constructor = griffe.Function("__init__", parameters=griffe.Parameters(*parameters))
        cls.set_member("__init__", constructor)
