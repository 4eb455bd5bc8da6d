#!/bin/bash
# Workers of a grouping search as a Slurm array; what follows the name of this file is the command that trains:
#
#     export GROUPING_SERVER=https://grouping.example.org GROUPING_API_TOKEN=...
#     sbatch slurm-array.sh python train.py --tasks {tasks} --size {size} --seed {seed} --out {out}
#
#SBATCH --job-name=grouping-worker
#SBATCH --array=1-20
#SBATCH --cpus-per-task=4
#SBATCH --gpus=1
#SBATCH --time=12:00:00
#SBATCH --signal=B:TERM@60

set -euo pipefail

# `exec`, so that Slurm's signal reaches the worker: it ends the training, and gives it back to the service.
exec grouping worker \
    --name "slurm-${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}-${SLURM_ARRAY_TASK_ID:-0}" \
    --resources "cpu=${SLURM_CPUS_PER_TASK:-1},gpu=${SLURM_GPUS_ON_NODE:-0}" \
    --idle-exit 600 \
    -- "$@"
