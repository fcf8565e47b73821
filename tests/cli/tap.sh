# Shell side of the tests: TAP, a scratch folder that goes away, and the program under test. Sourced with LT_SRCDIR and LT_BUILDDIR set by make check.
LT_SRCDIR=${LT_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
LT_BUILDDIR=${LT_BUILDDIR:-$(pwd)}
lathe=$LT_BUILDDIR/lathe
[ -x "$lathe" ] || { echo "Bail out! $lathe was not built"; exit 99; }
LC_ALL=C
export LC_ALL
tmp=$(mktemp -d "${TMPDIR:-/tmp}/lathe-test.XXXXXX") || exit 99
trap 'rm -rf "$tmp"' EXIT
trap 'exit 99' INT TERM
count=0
failed=0
# ok STATUS NAME: passes when STATUS is 0.
ok() {
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $count - $2"
    else
        failed=$((failed + 1))
        echo "not ok $count - $2"
        [ -z "$3" ] || [ ! -f "$3" ] || sed 's/^/#   /' "$3" | tail -n 20
    fi
}
skip() {
    count=$((count + 1))
    echo "ok $count # SKIP $1"
}
# The plan; a script ends with it.
finish() {
    echo "1..$count"
    [ "$failed" -eq 0 ]
    exit
}
# code WANTED NAME COMMAND...: the exit status, output kept in $tmp/out and $tmp/err.
code() {
    want=$1
    name=$2
    shift 2
    "$@" > "$tmp/out" 2> "$tmp/err"
    got=$?
    [ "$got" -eq "$want" ] || echo "exit status $got, not $want: $*" >> "$tmp/err"
    [ "$got" -eq "$want" ]
    ok $? "$name" "$tmp/err"
}
# says FILE TEXT NAME
says() {
    grep -F -q -e "$2" "$1"
    ok $? "$3" "$1"
}
# What of a journal may not depend on ranks, times or interruptions.
journal() {
    sed -e 's/,"meta":{[^}]*}//' -e 's/,"crc":"[0-9a-f]*"}$/}/' "$1/evaluations.jsonl"
}
# Also the bundle; only a build that cannot write ONNX may leave it out, and then in both.
same_run() {
    journal "$1" > "$tmp/journal.a" && journal "$2" > "$tmp/journal.b" && cmp "$tmp/journal.a" "$tmp/journal.b" || return 1
    case " ${LT_WITH-protobuf-c} " in *" protobuf-c "*) ;; *) [ ! -e "$1/deploy" ] && [ ! -e "$2/deploy" ]; return ;; esac
    diff -r "$1/deploy" "$2/deploy"
}
mpi_reason() {
    case " $LT_WITH " in *" mpi "*) ;; *) echo "this build has no MPI"; return ;; esac
    command -v mpirun > /dev/null 2>&1 || echo "mpirun was not found"
}
# On one node, more ranks than cores allowed, in containers too.
ranks() {
    n=$1
    shift
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none mpirun -n "$n" "$@"
}
mini=$LT_SRCDIR/experiments/mini.yaml
