"""Strategies from papers: HOA and ESA (Standley et al., 2020), TAG and its relatives."""
