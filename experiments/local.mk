# Experiments that users copy and edit.
dist_experiments_DATA += experiments/quickstart.yaml experiments/mini.yaml experiments/mini-host.yaml experiments/cifar10.yaml experiments/nasbench201-table.yaml
EXTRA_DIST += experiments/README.md
slurmdir = $(pkgdatadir)/experiments/slurm
dist_slurm_DATA = experiments/slurm/run.sbatch experiments/slurm/array.sbatch
