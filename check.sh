#!/usr/bin/env bash
# Builds lathe three times (everything on, sanitizers, nothing optional), runs every test, and ends with "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")" || exit 1
. build-aux/common.sh

usage() {
    cat <<'END'
Usage: ./check.sh [--no-install] [--quick]

Installs what is missing with apt-get (build-aux/debian-packages; nothing else is touched), builds in build/, build-asan/ and
build-minimal/, and runs all tests. The last line is "N passed, N failed, N skipped"; the exit status is 0 when none failed.

  --no-install   install nothing: where something is missing, name it and exit with status 3
  --quick        the first build only
  --help         this text
END
}

install=yes quick=no
for a in "$@"; do
    case $a in
    --no-install) install=no ;;
    --quick) quick=yes ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
done

passed=0 failed=0 skipped=0

# count DIR: adds the results of every check of every test in DIR, and shows the logs of those that failed.
count() {
    local dir=$1 n trs log
    n=$(find "$dir" -name '*.trs' -exec grep -hE '^:test-result: (PASS|XFAIL)' {} + | wc -l); passed=$((passed + n))
    n=$(find "$dir" -name '*.trs' -exec grep -hE '^:test-result: SKIP' {} + | wc -l); skipped=$((skipped + n))
    n=$(find "$dir" -name '*.trs' -exec grep -hE '^:test-result: (FAIL|XPASS|ERROR)' {} + | wc -l); failed=$((failed + n))
    broken=$n
    [ "$n" -gt 0 ] || return 0
    while read -r trs; do
        log=${trs%.trs}.log
        say "---- $log"
        if grep -q '^not ok\|^Bail out' "$log"; then
            grep -A 12 '^not ok\|^Bail out' "$log" | grep -v '^ok' | head -60 >&2
        fi
        tail -25 "$log" >&2
    done < <(find "$dir" -name '*.trs' -exec grep -lE '^:test-result: (FAIL|XPASS|ERROR)' {} + | sort)
}

# one_build NAME DIR MAKE-TARGET CONFIGURE-ARGUMENT...
one_build() {
    local name=$1 dir=$2 target=$3 broken=0
    shift 3
    say "== $name: $dir"
    [ ! -d "$dir" ] || find "$dir" -name '*.trs' -delete
    if ! configure_in "$dir" "$@" || ! make -s -C "$dir" -j"$jobs" check TESTS= >"$dir/build.log" 2>&1; then
        tail -40 "$dir/build.log" >&2
        say "$name: does not build (whole log: $dir/build.log)"
        failed=$((failed + 1))
        return
    fi
    grep -E 'warning:' "$dir/build.log" | sort -u | head -20 >&2
    make -C "$dir" -k -j"$jobs" "$target" >"$dir/check.log" 2>&1
    local status=$?
    count "$dir"
    if [ "$status" != 0 ] && [ "$broken" = 0 ]; then
        tail -40 "$dir/check.log" >&2
        say "$name: make $target failed outside of the tests (whole log: $dir/check.log)"
        failed=$((failed + 1))
    fi
    say "== $name: so far $passed passed, $failed failed, $skipped skipped"
}

need_packages "$install" build run test

# ONNX Runtime for the interoperability tests, in a virtual environment; without a network they are skipped and say so.
python=$(find_python)
if [ -z "$python" ] && [ "$install" = yes ]; then
    mkdir -p build
    if python3 -m venv build/venv >build/venv.log 2>&1 \
        && build/venv/bin/python3 -m pip install --quiet --disable-pip-version-check --retries 1 --timeout 20 --only-binary :all: \
            numpy onnxruntime onnx >>build/venv.log 2>&1; then
        python=$(find_python)
    else
        say "pip could not install onnxruntime and numpy (build/venv.log says why); the tests that need them are skipped"
    fi
fi
[ -z "$python" ] || export LT_PYTHON=$python

one_build "everything" build check
if [ "$quick" = no ]; then
    export UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=detect_stack_use_after_return=0
    one_build "sanitizers" build-asan check-sanitize --enable-sanitize CFLAGS="-O1 -g"
    one_build "nothing optional" build-minimal check --with-dnnl=no --with-mpi=no --with-protobuf-c=no --with-cblas=no
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
