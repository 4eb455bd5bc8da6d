"""The process of one job: it plans, holds the trainer, and has the networks trained."""
