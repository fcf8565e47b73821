# Room: communication between processes. comm_mpi.c alone needs MPI's flags, so it is an object library of its own.
lathe_lib_sources += src/comm/comm.c src/comm/comm_priv.h src/comm/comm_self.c src/comm/farm.c src/comm/comm_fake.c
lathe_public_headers += src/lathe/comm.h
