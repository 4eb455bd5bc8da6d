"""Why a score table has nothing of a method of affinity, and what would measure it."""

from __future__ import annotations

from grouping.domain.affinity_methods import AffinityMethod


def how_to_measure(method: AffinityMethod, sharing: str | None) -> str:
    """What would measure a method of joint runs, or why nothing can, in a sentence.

    Args:
        method: one that is not computed from the scores.
        sharing: the way of sharing in the recipe of the table's job; None for an imported table.
    """
    if method.needs_sharing is None:
        if sharing is None:
            return "They come from gradients, and an imported table holds scores only."
        return "A job with the strategy tag, cosine or first-order measures all three in one training."
    needed = f"It needs the sharing {method.needs_sharing}"
    if sharing is None:
        return f"{needed} in the recipe of a job, and an imported table holds scores only."
    if sharing != method.needs_sharing:
        return f"{needed}, and the recipe of this job has {sharing}."
    return (
        "Every training of a network of several tasks measures it; this table has none yet, or only some "
        "from before it was measured."
    )
