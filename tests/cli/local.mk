# Tests: cli.
lathe_test_scripts += tests/cli/usage.sh tests/cli/bad_input.sh tests/cli/resume.sh
lathe_test_scripts += tests/cli/report.sh tests/cli/host.sh
EXTRA_DIST += tests/cli/tap.sh
