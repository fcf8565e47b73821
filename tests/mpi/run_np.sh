#!/bin/sh
# One output for any number of ranks: the communication verbs, and a whole run.
. "${LT_SRCDIR:-$(dirname "$0")/../..}/tests/cli/tap.sh"

reason=$(mpi_reason)
if [ -n "$reason" ]; then
    skip "$reason"
    finish
fi
for n in 1 2 3 4; do
    ranks $n "$LT_BUILDDIR/tests/mpi/t_comm_mpi" > "$tmp/verbs.$n" 2> "$tmp/err"
    [ $? -eq 0 ] && [ -s "$tmp/verbs.$n" ] && cmp "$tmp/verbs.1" "$tmp/verbs.$n"
    ok $? "verbs, np = $n: same output as one rank" "$tmp/err"
done
"$lathe" run "$mini" -o "$tmp/self" > "$tmp/out" 2> "$tmp/err"
ok $? "a run without MPI" "$tmp/err"
for n in 1 2 4; do
    ranks $n "$lathe" run "$mini" -o "$tmp/np$n" > "$tmp/out" 2> "$tmp/err" && same_run "$tmp/self" "$tmp/np$n"
    ok $? "a run, np = $n: same journal and bundle" "$tmp/err"
done

# Begun with two ranks, killed, continued with one; and the other way round.
size=$(wc -c < "$tmp/np2/evaluations.jsonl")
head -c $((size / 2)) "$tmp/np2/evaluations.jsonl" > "$tmp/half" && mv "$tmp/half" "$tmp/np2/evaluations.jsonl"
"$lathe" run "$mini" -o "$tmp/np2" > "$tmp/out" 2> "$tmp/err" && same_run "$tmp/self" "$tmp/np2"
ok $? "half a run of 2 ranks continues with 1" "$tmp/err"
head -c $((size / 2)) "$tmp/np1/evaluations.jsonl" > "$tmp/half" && mv "$tmp/half" "$tmp/np1/evaluations.jsonl"
ranks 3 "$lathe" run "$mini" -o "$tmp/np1" > "$tmp/out" 2> "$tmp/err" && same_run "$tmp/self" "$tmp/np1"
ok $? "half a run of 1 rank continues with 3" "$tmp/err"

# One rank of two is killed: the other ends too, and the same command continues. What the launcher returns is its own.
ranks 2 "$lathe" train "$mini" -o "$tmp/lost" --set supernet.epochs=1000 > "$tmp/out" 2> "$tmp/err" &
pid=$!
i=0
until ls "$tmp/lost/weights" > /dev/null 2>&1 || [ $i -ge 2000 ]; do
    i=$((i + 1))
    sleep 0.01
done
victim=$(pgrep -f "$tmp/lost" | while read -r p; do [ "$(cat "/proc/$p/comm" 2> /dev/null)" = "$(basename "$lathe" | cut -c 1-15)" ] && echo "$p"; done | tail -n 1)
if [ -n "$victim" ]; then
    kill -9 "$victim"
    i=0
    while kill -0 $pid 2> /dev/null && [ $i -lt 3000 ]; do
        i=$((i + 1))
        sleep 0.01
    done
    ! kill -0 $pid 2> /dev/null
    ok $? "one rank of two is killed: the run ends" "$tmp/err"
    wait $pid
    [ $? -ne 0 ]
    ok $? "and not with success"
else
    wait $pid
    skip "the ranks were not found"
    skip "the ranks were not found"
fi

ranks 2 "$lathe" run "$mini" -o "$tmp/inf" --set constraints.latency_ms.max=0.0001 > "$tmp/out" 2> "$tmp/err"
[ $? -eq 4 ]
ok $? "infeasible on 2 ranks: exit 4" "$tmp/err"
[ "$(grep -c '^lathe: no architecture' "$tmp/err")" -eq 1 ]
ok $? "and one rank says so" "$tmp/err"
finish
