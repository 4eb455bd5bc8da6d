"""The study: the questions of Standley et al. (ICML 2020) about any problem under any recipe.

How tasks do in pairs, all together against all alone at equal inference cost, what the size of the network
and the amount of data change, and whether transfer between tasks predicts how they do together. `plan` says
what is trained, `running` trains it, `analysis` turns scores into a report, and the rest shows it; only
`running` imports PyTorch. See ``docs/explanation/study.md``.
"""
