# Experiments that users copy and edit.
