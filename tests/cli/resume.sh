#!/bin/sh
# Resume is replay: a run that was killed at any moment, asked to stop, or whose journal ends anywhere, ends with the same journal and the same bundle.
. "${LT_SRCDIR:-$(dirname "$0")/../..}/tests/cli/tap.sh"

code 0 "the undisturbed run" "$lathe" run "$mini" -o "$tmp/ref"
code 0 "again: everything is replayed" "$lathe" run "$mini" -o "$tmp/ref"

# The journal cut at any byte, as a kill in the middle of a write leaves it.
size=$(wc -c < "$tmp/ref/evaluations.jsonl")
for percent in 3 20 41 55 70 99; do
    rm -rf "$tmp/cut"
    cp -r "$tmp/ref" "$tmp/cut"
    rm -rf "$tmp/cut/deploy" "$tmp/cut/report.html"
    head -c $((size * percent / 100)) "$tmp/ref/evaluations.jsonl" > "$tmp/cut/evaluations.jsonl"
    "$lathe" run "$mini" -o "$tmp/cut" > "$tmp/out" 2> "$tmp/err" && same_run "$tmp/ref" "$tmp/cut"
    ok $? "a journal cut after $percent % continues to the same result" "$tmp/err"
done

# A disk that is full while the journal grows, as a limit on the size of files.
for blocks in 8 16; do
    rm -rf "$tmp/limit"
    (ulimit -f $blocks && "$lathe" run "$mini" -o "$tmp/limit") > "$tmp/out" 2> "$tmp/err"
    [ $? -eq 1 ] && grep -q 'what is recorded so far is kept' "$tmp/err"
    ok $? "files of at most $blocks blocks: exit 1, and the message says what is kept" "$tmp/err"
    [ -s "$tmp/limit/evaluations.jsonl" ] && [ "$(tail -c 1 "$tmp/limit/evaluations.jsonl" | od -An -c | tr -d ' ')" = '\n' ]
    ok $? "files of at most $blocks blocks: the journal ends with a whole record"
    "$lathe" run "$mini" -o "$tmp/limit" > "$tmp/out" 2> "$tmp/err" && same_run "$tmp/ref" "$tmp/limit" && ! grep -q torn "$tmp/err"
    ok $? "files of at most $blocks blocks: with more room the same command ends with the same result" "$tmp/err"
done

# kill -9 when the journal has so many records; 28: while the training runs
for records in 2 12 28 28 40; do
    rm -rf "$tmp/kill"
    "$lathe" run "$mini" -o "$tmp/kill" > /dev/null 2>&1 &
    pid=$!
    i=0
    while kill -0 $pid 2> /dev/null && [ $i -lt 2000 ]; do
        n=0
        [ -f "$tmp/kill/evaluations.jsonl" ] && n=$(wc -l < "$tmp/kill/evaluations.jsonl")
        [ "$n" -ge $records ] && break
        i=$((i + 1))
        sleep 0.01
    done
    kill -9 $pid 2> /dev/null
    wait $pid 2> /dev/null
    "$lathe" run "$mini" -o "$tmp/kill" > "$tmp/out" 2> "$tmp/err" && same_run "$tmp/ref" "$tmp/kill"
    ok $? "killed after $records records, the same command ends with the same result" "$tmp/err"
done

# A request to stop: exit 75, and the same command continues. The training is made long enough to be met in the middle.
for sig in INT TERM USR1; do
    rm -rf "$tmp/stop"
    # a background process of a shell without job control ignores SIGINT, so it is started by one that does not
    (trap - INT; exec "$lathe" run "$mini" -o "$tmp/stop" --set supernet.epochs=1000) > "$tmp/out" 2> "$tmp/err" &
    pid=$!
    i=0
    until [ -d "$tmp/stop/weights" ] || [ $i -ge 2000 ]; do
        i=$((i + 1))
        sleep 0.01
    done
    sleep 0.3
    if [ $sig = INT ] && grep -q '^SigIgn:.*[2367abef]$' /proc/$pid/status 2> /dev/null; then
        kill -9 $pid
        wait $pid 2> /dev/null
        skip "SIGINT is ignored by this test's surroundings"
        continue
    fi
    kill -$sig $pid
    wait $pid
    [ $? -eq 75 ]
    ok $? "SIG$sig during the training: exit 75" "$tmp/err"
done
code 2 "continuing with other epochs is refused" "$lathe" run "$mini" -o "$tmp/stop"

long="--set supernet.epochs=60 --set supernet.checkpoint_s=0.2"
# shellcheck disable=SC2086
code 0 "an undisturbed longer training" "$lathe" train "$mini" -o "$tmp/long" $long
# shellcheck disable=SC2086
"$lathe" train "$mini" -o "$tmp/part" $long > "$tmp/out" 2> "$tmp/err" &
pid=$!
i=0
until ls "$tmp/part/weights/"* > /dev/null 2>&1 || [ $i -ge 2000 ]; do
    i=$((i + 1))
    sleep 0.01
done
kill -TERM $pid 2> /dev/null
wait $pid
[ $? -eq 75 ]
ok $? "stopped in its middle: exit 75" "$tmp/err"
# shellcheck disable=SC2086
code 0 "continued" "$lathe" train "$mini" -o "$tmp/part" $long
says "$tmp/err" "continues at step" "from where it was"
cmp "$tmp/long/weights/supernet.ltw" "$tmp/part/weights/supernet.ltw"
ok $? "to the same weights"
finish
