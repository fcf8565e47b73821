# Tests: grad.
