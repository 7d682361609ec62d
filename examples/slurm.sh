#!/bin/bash
# Trains on two machines with four GPUs each: sbatch examples/slurm.sh
# Each machine runs one task. The task uses all GPUs of the machine, and keeps the decoded images in memory once.
#SBATCH --job-name=ugatit
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120   # two minutes before the time limit, so that the run saves and ends
#SBATCH --requeue

srun .venv/bin/python main.py --phase train --dataset mine --light True --strategy multi_worker --batch_size 8
