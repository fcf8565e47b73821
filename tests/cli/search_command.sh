#!/bin/sh
# A search whose evaluator is any program: one result for any number of ranks and any interruption, nothing evaluated twice, and every way in which a
# program or a disk fails ends with a message.
. "${LT_SRCDIR:-$(dirname "$0")/../..}/tests/cli/tap.sh"

cd "$tmp" || exit 99
log=$tmp/log
export log
# Scores from the architecture alone; 1 in 9 fails; the time it takes varies.
cat > score.sh << 'END'
n=$(printf '%s' "$1" | cksum | cut -d' ' -f1)
[ -z "$log" ] || echo "$1" >> "$log"
[ -z "$slow" ] || sleep "0.0$((n % 3))"
[ -z "$hang" ] || [ ! -e "$hang" ] || sleep 100
[ $((n % 9)) -ne 4 ] || exit 3
echo "accuracy 0.$((n % 9000 + 1000))"
echo "latency_ms $((n / 9 % 10)).5"
END
cat > x.yaml << END
schema: 1
seed: 4
space: {file: $LT_SRCDIR/spaces/tiny.yaml}
evaluator: {name: command, run: 'sh $tmp/score.sh "\$1"', timeout: 20 s}
search: {name: aging, samples: 60, population: 10, ahead: 16}
objectives: {accuracy: maximize}
constraints: {latency_ms: {max: 7}, size_kb: {max: 25}}
END
run() { "$lathe" run x.yaml -o "$@"; }
same() { journal "$1" > a.journal && journal "$2" > b.journal && cmp a.journal b.journal; }
evals() { grep -c '"type":"eval"' "$1/evaluations.jsonl"; }

code 0 "a search" run ref
[ "$(evals ref)" -eq 60 ] && [ "$(sort log | uniq | wc -l)" -eq 60 ] && [ "$(wc -l < log)" -eq 60 ]
ok $? "evaluates 60 architectures, each once"
grep -q '"status":"failed","why":"exit status 3"' ref/evaluations.jsonl
ok $? "failures are recorded with their reason"
says out "evaluations failed" "and said"
[ -s ref/report.html ] && [ -s ref/summary.json ]
ok $? "it ends with a report"
rm log
code 0 "again: everything is replayed" run ref
[ ! -e log ]
ok $? "without an evaluation"

# any number of ranks
slow=1
export slow
reason=$(mpi_reason)
for n in 1 2 3 4 8; do
    if [ -n "$reason" ]; then
        skip "$reason"
        continue
    fi
    ranks $n "$lathe" run x.yaml -o "np$n" > out 2> err && same ref "np$n" && cmp ref/summary.json "np$n/summary.json" > /dev/null || {
        # the number of ranks and the time are in it
        sed -e 's/"ranks":[0-9]*//' -e 's/\["started","[^"]*"\]//' ref/summary.json > a.summary
        sed -e 's/"ranks":[0-9]*//' -e 's/\["started","[^"]*"\]//' "np$n/summary.json" | cmp - a.summary
    } && same ref "np$n"
    ok $? "np = $n: the same journal, front and summary" err
done

# killed at random moments; at most 40 times a tenth of a second
kills=6
[ -z "$LT_LONG" ] || kills=20
i=0
rm -f log
unset slow
while [ $i -lt $kills ]; do
    i=$((i + 1))
    "$lathe" run x.yaml -o killed > /dev/null 2>&1 &
    pid=$!
    sleep "0.$(awk -v s=$i 'BEGIN { srand(s); printf "%02d", 5 + 25 * rand() }')"
    kill -9 $pid 2> /dev/null
    wait $pid 2> /dev/null
done
code 0 "killed $kills times at random moments: the same command ends it" run killed
same ref killed
ok $? "with the same journal"
extra=$(($(wc -l < log) - 60))
[ $extra -le $kills ]
ok $? "at most one evaluation a kill was lost ($extra)"

# asked to stop: the evaluation in flight is abandoned
hang=$tmp/hang
export hang
for sig in TERM USR1; do
    rm -rf stop
    : > hang
    "$lathe" run x.yaml -o stop > out 2> err &
    pid=$!
    i=0
    until [ -s stop/evaluations.jsonl ] && [ "$(wc -l < stop/evaluations.jsonl)" -ge 2 ] || [ $i -ge 500 ]; do
        i=$((i + 1))
        sleep 0.01
    done
    sleep 0.1
    began=$(date +%s)
    kill -$sig $pid
    wait $pid
    [ $? -eq 75 ] && [ $(($(date +%s) - began)) -lt 5 ]
    ok $? "SIG$sig while an evaluation hangs: exit 75, at once" err
    rm hang
    code 0 "the same command continues" run stop
    same ref stop
    ok $? "to the same journal"
done
if [ -z "$reason" ]; then
    : > hang
    ranks 3 "$lathe" run x.yaml -o lost > out 2> err &
    pid=$!
    i=0
    until victim=$(pgrep -f "x.yaml -o lost" | while read -r p; do [ "$(cat "/proc/$p/comm" 2> /dev/null)" = "$(basename "$lathe" | cut -c 1-15)" ] && echo "$p"; done | tail -n 1) && [ -n "$victim" ] || [ $i -ge 300 ]; do
        i=$((i + 1))
        sleep 0.02
    done
    sleep 0.3
    [ -z "$victim" ] || kill -9 "$victim"
    wait $pid
    [ $? -ne 0 ]
    ok $? "one of three ranks is killed: all end, not with success" err
    rm hang
    code 0 "the same command continues" run lost
    same ref lost
    ok $? "to the same journal"
else
    skip "$reason"
fi
unset hang

# programs and disks that fail
rm -f log
code 4 "a limit that no network meets" run inf --set constraints.size_kb.max=1
says err "size_kb <= 1" "is named"
[ ! -e log ]
ok $? "before the first evaluation"
code 4 "one limit of a sweep that no network meets" "$lathe" check x.yaml --set 'constraints={size_kb: {max: [25, 1]}}'
says err "size_kb <= 1 (the binding constraint)" "is named before the run"
code 4 "one that only evaluations can tell" run inf2 --set constraints.accuracy.min=0.9999 --set search.samples=20
says err "nearest: tiny:" "with the nearest architecture"
code 1 "a program that always fails" run bad --set "evaluator.run=echo broken >&2; exit 1" --set search.samples=5
says err "all 5 evaluations failed" "is not a result"
says err "exit status 1: broken" "and says why"
code 0 "a program that hangs" run hangs --set "evaluator.run=case \$1 in *r8*) sleep 100;; esac; echo accuracy 0.5; echo latency_ms 1" --set evaluator.timeout=0.05s --set search.samples=12
grep -q 'no end after 0.05 s: killed' hangs/evaluations.jsonl
ok $? "costs its time limit"
(ulimit -f 8 && run full) > out 2> err
[ $? -eq 1 ] && grep -q 'what is recorded so far is kept' err
ok $? "a disk that is full: exit 1, and what is recorded is kept" err
code 0 "with more room it continues" run full
same ref full
ok $? "to the same journal"
mkdir ro
if mount -t tmpfs -o ro tmpfs ro 2> /dev/null; then
    code 1 "a read-only file system" run ro/x
    says err "Read-only" "is named"
    umount ro
else
    skip "nothing can be mounted here"
    skip "nothing can be mounted here"
fi

# a changed experiment
code 2 "another experiment in its folder is refused" run full --set search.population=12 --set constraints.latency_ms.max=6
says err "search.population: 10 in the run, 12 now" "the differing keys are named"
says err "constraints.latency_ms.max: 7 ms in the run, 6 ms now" "all of them"
rm -f log
code 0 "--force takes the evaluations over" run full --set constraints.latency_ms.max=6 --force
says err "taken over from it: evaluations" "and says so"
sed -n 's/^{"type":"eval","key":"\([^"]*\)".*/\1/p' ref/evaluations.jsonl | sort > ref.archs
touch log
[ "$(sort -u log | comm -12 - ref.archs | wc -l)" -eq 0 ] && [ -s full/old-1/evaluations.jsonl ]
ok $? "nothing that was known is evaluated again"
code 0 "the same from nothing" run fresh --set constraints.latency_ms.max=6
grep -v '"type":"known"' full/evaluations.jsonl > t && mv t full/evaluations.jsonl && same full fresh
ok $? "gives the same journal"
obj='{accuracy: maximize, latency_ms: minimize}'
code 0 "a search for accuracy alone" run more --set 'objectives={accuracy: maximize}' --set constraints={} --set search.samples=20
code 0 "--force: a score more is wanted than was recorded" run more --set "objectives=$obj" --set constraints={} --set search.samples=20 --force
grep '"type":"eval"' more/evaluations.jsonl | grep '"status":"ok"' | grep -v '"latency_ms":' > t
[ "$(evals more)" -eq 20 ] && [ ! -s t ]
ok $? "it is evaluated, not left open" t
echo "# changed" >> score.sh
code 2 "a changed program is another experiment" run full --set constraints.latency_ms.max=6
says err "evaluator contents" "and is named"

# a sweep, and a baseline
rm -f log
code 0 "a sweep with a baseline" run sweep --set 'constraints.latency_ms.max=[2, 4, 6]' --set search.samples=40 --set search.baseline=random
[ "$(sort log | uniq -d | wc -l)" -eq 0 ] && [ "$(wc -l < log)" -lt 240 ]
ok $? "evaluates nothing twice ($(wc -l < log) evaluations for 6 searches of 40)"
for limit in 2 4 6; do
    grep -q "^  latency_ms <= $limit  *[0-9.]* %" out
    ok $? "an answer for $limit ms" out
done
[ "$(grep -c '"type":"baseline"' sweep/evaluations.jsonl)" -eq 3 ] && grep -q 'exceeds the noise\|not exceed the noise' out
ok $? "and a comparison each" out
code 0 "a sweep with a limit that nothing evaluated meets" run partly --set 'constraints={accuracy: {min: [0.2, 0.9999]}}' --set search.samples=15 --set search.baseline=random
says err "evaluated architectures meets accuracy >= 0.9999; nearest" "names it"
grep -q '^  accuracy >= 0.2  *[0-9.]* %' out && grep -q '^  accuracy >= 0.9999 .*none found' out
ok $? "and answers the others" out
code 0 "several comparisons" run repeats --set search.samples=20 --set search.baseline=random --set search.repeats=4
says out "over 4 seeds" "are judged over the seeds"
finish
