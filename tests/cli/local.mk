# Tests: cli.
