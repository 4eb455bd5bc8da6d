"""What a method declares: its name, its source and its parameters, without what carries it out.

The service that takes jobs checks and lists methods but never trains, so it must not import PyTorch. A
declaration therefore names its implementation as ``module:attribute``, and only training imports it.
"""

from __future__ import annotations

from typing import ClassVar, Protocol


class Declaration(Protocol):
    """A frozen dataclass; its fields, annotated for Pydantic, are the parameters of the method.

    Attributes:
        name: its name in recipes.
        title: its name for people.
        description: what it does, in a sentence or two.
        source: the paper it comes from; empty for what needs none.
        implementation: ``module:attribute`` of what carries it out; see `grouping.training.methods`.

    A built-in method may have a class attribute ``requires``, names of modules that come with an extra.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]
    source: ClassVar[str]
    implementation: ClassVar[str]
