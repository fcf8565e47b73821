# Experiments that users copy and edit.
dist_experiments_DATA += experiments/quickstart.yaml experiments/mini.yaml experiments/mini-host.yaml experiments/cifar10.yaml
EXTRA_DIST += experiments/README.md
