"""Declaration of a method, a loss or a metric: name, source and parameters, without implementation.

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
        implementation: ``module:attribute`` of the implementation; see `grouping.training.methods`.

    Optional attributes and methods:

    - ``requires``, of a built-in method: names of modules that come with an extra;
    - ``named_tasks()``: the tasks that its parameters name; see `check_named_tasks`;
    - ``check_recipe(recipe, tasks)``: refuses what it could not do with the rest of a recipe or with one of
      the tasks; see `grouping.recipes.checks`;
    - ``n_phases(tasks, n_depths)``, of a schedule: phases of the training of a network of these tasks, which
      needs as many epochs;
    - ``stages_below(task, n_stages)``, of a way of sharing: stages of the encoder below the head of a task;
    - ``draws_by_task``, of a sampling: whether the rows that it draws depend on which tasks the job has, as
    is
      assumed of one that does not say;
    - ``preparation_epochs(n_tasks, recipe)``: the epochs that a network is prepared for before it is trained;
      see `grouping.recipes.epochs`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]
    source: ClassVar[str]
    implementation: ClassVar[str]
