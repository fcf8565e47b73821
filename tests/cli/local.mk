# Tests: cli.
lathe_test_scripts += tests/cli/usage.sh tests/cli/bad_input.sh tests/cli/resume.sh
lathe_test_scripts += tests/cli/predictor.sh
lathe_test_scripts += tests/cli/report.sh tests/cli/host.sh tests/cli/search_command.sh
EXTRA_DIST += tests/cli/tap.sh
lathe_test_scripts += tests/cli/space.sh tests/cli/space_export.sh
EXTRA_DIST += tests/slurm/run.sh
