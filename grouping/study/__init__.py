"""Study: the questions of Standley et al. (ICML 2020) about any problem, by any trainer.

Questions: how tasks do in pairs, all together against all alone at equal inference cost, what the size of the
network and the amount of data change, and whether transfer between tasks predicts how they do together.
`plan` lists the trainings, `preparation` asks the trainer for them, `running` carries them out, `analysis`
turns scores into a report, and the rest shows it. See ``docs/explanation/study.md``.
"""
