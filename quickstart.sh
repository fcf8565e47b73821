#!/usr/bin/env bash
# From a fresh checkout to a network for this machine: installs what is missing, builds, and runs experiments/quickstart.yaml on two processes.
set -eu
cd "$(dirname "$0")"
. build-aux/common.sh

usage() {
    cat <<'END'
Usage: ./quickstart.sh [--no-install] [ARGUMENT...]

Installs what is missing with apt-get (build-aux/debian-packages; nothing else is touched), builds in build/, and runs
experiments/quickstart.yaml on two processes. The same command continues an interrupted run. Further arguments go to `lathe run`.

  --no-install   only check: name what is missing and exit with status 3, or say that nothing is
  --help         this text
END
}

install=yes
case ${1-} in
--no-install) install=no; shift ;;
--help | -h) usage; exit 0 ;;
esac

need_packages "$install" build run
if [ "$install" = no ]; then
    say "nothing is missing"
    exit 0
fi
configure_in build || die 1 "configure failed"
say "building in build/ ..."
make -s -C build -j"$jobs" >build/build.log 2>&1 || { tail -40 build/build.log >&2; die 1 "the build failed (whole log: build/build.log)"; }

python=$(find_python)
[ -z "$python" ] || export LT_PYTHON=$python

if ! command -v mpirun >/dev/null; then
    exec build/lathe run experiments/quickstart.yaml "$@"
elif mpirun --version 2>/dev/null | grep -q 'Open MPI'; then
    exec mpirun -n 2 --oversubscribe --bind-to none build/lathe run experiments/quickstart.yaml "$@"
else
    exec mpirun -n 2 build/lathe run experiments/quickstart.yaml "$@"
fi
