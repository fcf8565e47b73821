dnl What lathe depends on. LATHE_NEED stops configure and names the Debian package; the optional ones are tri-state
dnl --with-NAME=auto|yes|no: auto takes what is there, yes makes absence an error, no leaves it out. Each optional one defines an
dnl automake conditional and a config.h macro LT_WITH_NAME that is always 0 or 1, NAME_CFLAGS, NAME_LIBS, and name_summary.

dnl LATHE_NEED(VARIABLE, PKG-CONFIG MODULE, DEBIAN PACKAGE)
AC_DEFUN([LATHE_NEED],
[PKG_CHECK_MODULES([$1], [$2], [],
  [AC_MSG_ERROR([$2 was not found by pkg-config. On Debian: apt-get install $3])])])

dnl LATHE_NEED_LIB(LIBRARY, FUNCTION, DEBIAN PACKAGE)
AC_DEFUN([LATHE_NEED_LIB],
[AC_CHECK_LIB([$1], [$2], [:], [AC_MSG_ERROR([lib$1 was not found. On Debian: apt-get install $3])])])

AC_DEFUN([LATHE_PTHREAD],
[PTHREAD_CFLAGS=-pthread
PTHREAD_LIBS=-pthread
lathe_save_CFLAGS=$CFLAGS
CFLAGS="$CFLAGS -pthread"
AC_MSG_CHECKING([for POSIX threads])
AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <pthread.h>
static void *nothing(void *p) { return p; }]], [[pthread_t t; return pthread_create(&t, 0, nothing, 0);]])],
  [AC_MSG_RESULT([yes])],
  [AC_MSG_RESULT([no])
   AC_MSG_ERROR([POSIX threads do not work with -pthread. On Debian: apt-get install libc6-dev])])
CFLAGS=$lathe_save_CFLAGS
AC_SUBST([PTHREAD_CFLAGS])
AC_SUBST([PTHREAD_LIBS])])

dnl LATHE_SANITIZE(yes|no): added to CFLAGS, so that every compile and every link sees it.
AC_DEFUN([LATHE_SANITIZE],
[AS_IF([test "$1" = yes],
  [lathe_san="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
   CFLAGS="$CFLAGS $lathe_san"
   AC_MSG_CHECKING([whether the sanitizers link])
   AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [AC_MSG_RESULT([yes])],
     [AC_MSG_RESULT([no])
      AC_MSG_ERROR([--enable-sanitize: $CC cannot link $lathe_san])])])])

dnl LATHE_OPTION(NAME, SHELL NAME, WHAT IT IS)
AC_DEFUN([LATHE_OPTION],
[AC_ARG_WITH([$1], [AS_HELP_STRING([--with-$1=auto|yes|no], [$3 @<:@auto@:>@])], [], [with_$2=auto])
AS_CASE([$with_$2], [auto|yes|no], [], [AC_MSG_ERROR([--with-$1 takes auto, yes or no, not "$with_$2"])])
have_$2=no])

dnl LATHE_DECIDE(NAME, SHELL NAME, CAPITALS, DEBIAN PACKAGES, MISSING WHAT): after have_NAME is known.
AC_DEFUN([LATHE_DECIDE],
[AS_IF([test "$with_$2" = yes && test "$have_$2" != yes],
  [AC_MSG_ERROR([--with-$1=yes, but $5 was not found. On Debian: apt-get install $4])])
AS_IF([test "$have_$2" = yes], [lathe_bit=1 $2_summary=yes],
  [lathe_bit=0 $3_CFLAGS= $3_LIBS= $3_PC=
   AS_IF([test "$with_$2" = no], [$2_summary="no (as asked)"], [$2_summary="no (not found; Debian: $4)"])])
AC_DEFINE_UNQUOTED([LT_WITH_$3], [$lathe_bit], [1 when built with $1, else 0])
AM_CONDITIONAL([LT_WITH_$3], [test "$lathe_bit" = 1])
AC_SUBST([$3_CFLAGS])
AC_SUBST([$3_LIBS])])

dnl oneDNN 2.x. Debian's package has no .pc file; 3.x changed the C interface, so a function that only 2.x has is looked for.
AC_DEFUN([LATHE_DNNL],
[LATHE_OPTION([dnnl], [dnnl], [convolutions through oneDNN 2.x])
AS_IF([test "$with_dnnl" != no],
  [AC_CHECK_HEADER([oneapi/dnnl/dnnl.h],
    [AC_CHECK_LIB([dnnl], [dnnl_memory_desc_init_by_tag], [have_dnnl=yes DNNL_LIBS=-ldnnl])])])
LATHE_DECIDE([dnnl], [dnnl], [DNNL], [libdnnl-dev], [oneDNN 2.x])])

dnl MPI: Open MPI's or MPICH's .pc file, else what mpicc says. Only src/comm/comm_mpi.c is compiled with MPI_CFLAGS.
AC_DEFUN([LATHE_MPI],
[LATHE_OPTION([mpi], [mpi], [more than one process, through MPI])
AS_IF([test "$with_mpi" != no],
  [for lathe_pc in ompi-c mpich; do
     AS_IF([test "$have_mpi" = no && $PKG_CONFIG --exists $lathe_pc],
       [MPI_CFLAGS=`$PKG_CONFIG --cflags $lathe_pc`
        MPI_LIBS=`$PKG_CONFIG --libs $lathe_pc`
        MPI_PC=$lathe_pc have_mpi=maybe])
   done
   AS_IF([test "$have_mpi" = no],
     [AC_CHECK_PROGS([MPICC], [mpicc])
      AS_IF([test -n "$MPICC"],
        [AS_IF([MPI_CFLAGS=`$MPICC --showme:compile 2>/dev/null`],
           [MPI_LIBS=`$MPICC --showme:link 2>/dev/null` have_mpi=maybe],
           [MPI_CFLAGS=`$MPICC -compile-info 2>/dev/null | $SED 's/^@<:@^ @:>@* //; s/ -c$//; s/ -c / /'`
            MPI_LIBS=`$MPICC -link-info 2>/dev/null | $SED 's/^@<:@^ @:>@* //'` have_mpi=maybe])])])
   AS_IF([test "$have_mpi" = maybe],
     [lathe_save_CFLAGS=$CFLAGS lathe_save_LIBS=$LIBS
      CFLAGS="$CFLAGS $MPI_CFLAGS" LIBS="$MPI_LIBS $LIBS"
      AC_MSG_CHECKING([whether an MPI program links])
      AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <mpi.h>]], [[MPI_Init(0, 0); return MPI_Finalize();]])],
        [have_mpi=yes], [have_mpi=no])
      AC_MSG_RESULT([$have_mpi])
      CFLAGS=$lathe_save_CFLAGS LIBS=$lathe_save_LIBS])])
LATHE_DECIDE([mpi], [mpi], [MPI], [libopenmpi-dev openmpi-bin], [a working MPI])])

dnl protobuf-c: the library and the compiler that makes the ONNX reader's and writer's sources.
AC_DEFUN([LATHE_PROTOBUF_C],
[LATHE_OPTION([protobuf-c], [protobuf_c], [reading and writing ONNX, through protobuf-c])
AS_IF([test "$with_protobuf_c" != no],
  [AC_CHECK_PROGS([PROTOC_C], [protoc-c])
   PKG_CHECK_MODULES([PROTOBUF_C], [libprotobuf-c],
     [AS_IF([test -n "$PROTOC_C"], [have_protobuf_c=yes PROTOBUF_C_PC=libprotobuf-c])], [:])])
LATHE_DECIDE([protobuf-c], [protobuf_c], [PROTOBUF_C], [libprotobuf-c-dev protobuf-c-compiler], [libprotobuf-c with protoc-c])])

dnl CBLAS: OpenBLAS, which has both the header and the speed.
AC_DEFUN([LATHE_CBLAS],
[LATHE_OPTION([cblas], [cblas], [matrix products through OpenBLAS])
AS_IF([test "$with_cblas" != no],
  [PKG_CHECK_MODULES([CBLAS], [openblas],
    [lathe_save_CFLAGS=$CFLAGS lathe_save_LIBS=$LIBS
     CFLAGS="$CFLAGS $CBLAS_CFLAGS" LIBS="$CBLAS_LIBS $LIBS"
     AC_MSG_CHECKING([whether a CBLAS program links])
     AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <cblas.h>]], [[return (int)cblas_sdot(0, 0, 1, 0, 1);]])],
       [have_cblas=yes CBLAS_PC=openblas])
     AC_MSG_RESULT([$have_cblas])
     CFLAGS=$lathe_save_CFLAGS LIBS=$lathe_save_LIBS], [:])])
LATHE_DECIDE([cblas], [cblas], [CBLAS], [libopenblas-dev], [OpenBLAS with cblas.h])])

dnl Chart.js: one JavaScript file whose text the report copies into its page, found again at run time. --with-chartjs=FILE names another.
AC_DEFUN([LATHE_CHARTJS],
[AC_ARG_WITH([chartjs], [AS_HELP_STRING([--with-chartjs=auto|yes|no|FILE], [plots in the report, through Chart.js @<:@auto@:>@])],
  [], [with_chartjs=auto])
chartjs_path=/usr/share/javascript/chart.js/chart.min.js
lathe_bit=1
AS_CASE([$with_chartjs],
  [no], [lathe_bit=0 chartjs_summary="no (as asked)"],
  [auto|yes], [AS_IF([test -f "$chartjs_path"], [chartjs_summary=yes],
    [AS_IF([test "$with_chartjs" = yes],
      [AC_MSG_ERROR([--with-chartjs=yes, but $chartjs_path was not found. On Debian: apt-get install libjs-chart.js])])
     chartjs_summary="looked for at run time (not found now; Debian: libjs-chart.js)"])],
  [/*], [chartjs_path=$with_chartjs chartjs_summary=$with_chartjs],
  [AC_MSG_ERROR([--with-chartjs takes auto, yes, no or an absolute path, not "$with_chartjs"])])
AC_DEFINE_UNQUOTED([LT_WITH_CHARTJS], [$lathe_bit], [1 when the report looks for Chart.js, else 0])
AC_DEFINE_UNQUOTED([LT_CHARTJS_PATH], ["$chartjs_path"], [where Chart.js is])])
