/* Room: comm. What the implementations and the selector share; nothing outside src/comm includes this. */
#ifndef LT_COMM_PRIV_H
#define LT_COMM_PRIV_H
#include "lathe/comm.h"

extern const struct lt_comm_ops lt_comm_self_ops;
lt_status lt_comm_self_open(struct lt_comm **out, struct lt_err *e);
/* Initialises MPI unless the caller has; only in builds with MPI. */
lt_status lt_comm_mpi_open(int *argc, char ***argv, struct lt_comm **out, struct lt_err *e);
#endif
