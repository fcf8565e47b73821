#!/bin/sh
# The whole of a run on this machine and on real images, with networks small enough for a test: experiments/mini-host.yaml.
. "${LT_SRCDIR:-$(dirname "$0")/../..}/tests/cli/tap.sh"

experiment=$LT_SRCDIR/experiments/mini-host.yaml
data=$(sed -n 's/^data:.*dir: *\([^,}]*\).*/\1/p' "$experiment")
reason=
[ -n "$data" ] || { echo "Bail out! no data folder in $experiment"; exit 99; }
case " ${LT_WITH-dnnl} " in *" dnnl "*) ;; *) reason="this build has no oneDNN" ;; esac
[ -d "$data" ] || reason="$data is not there"
if [ -n "$reason" ]; then
    skip "$reason"
    finish
fi

# Well below a minute on a quiet machine; the limit only ends a run that hangs.
cd "$tmp" || exit 99
code 0 "the run ends well" timeout 600 "$lathe" run "$experiment" -o "$tmp/r"
journal=$tmp/r/evaluations.jsonl
for type in begin device measure predict attain train eval search verify chosen units quantize final deploy; do
    grep -q "^{\"type\":\"$type\"," "$journal"
    ok $? "the journal has a record '$type'" "$tmp/err"
done
[ "$(grep -c '^{"type":"final",' "$journal")" -eq 1 ] && [ "$(grep -c '^{"type":"deploy",' "$journal")" -eq 1 ]
ok $? "final and deploy are recorded once"
[ -s "$tmp/r/report.html" ]
ok $? "report.html is there"
case " ${LT_WITH-protobuf-c} " in
*" protobuf-c "*)
    [ -s "$tmp/r/deploy/model.onnx" ]
    ok $? "the deployed network is there"
    ;;
*) skip "this build has no protobuf-c" ;;
esac

# The final table: one row a role; 'chosen' apart from 'deployed' only where int8 was faster as measured and kept.
row() { grep '^{"type":"final",' "$journal" | grep -o "{\"role\":\"$1\"[^}]*}"; }
number() { row "$1" | sed -n "s/.*\"$2\":\(-\{0,1\}[0-9][0-9.e+-]*\).*/\1/p"; }
roles="largest smallest deployed"
grep '^{"type":"quantize",' "$journal" | grep -q '"kept":true' && roles="largest smallest chosen deployed"
n=0
for role in $roles; do
    n=$((n + 1))
    awk -v lo="$(number $role lo_ms)" -v ms="$(number $role latency_ms)" -v hi="$(number $role hi_ms)" -v acc="$(number $role accuracy)" \
        'BEGIN { exit !(lo + 0 > 0 && lo + 0 <= ms + 0 && ms + 0 <= hi + 0 && acc + 0 > 0.2 && acc + 0 <= 1) }'
    ok $? "final row '$role': a latency inside its interval, an accuracy far from chance (10 %)" "$tmp/out"
    grep -q "^  $role, .*%.*ms \[" "$tmp/out"
    ok $? "'$role' is in the printed table" "$tmp/out"
done
[ "$(grep '^{"type":"final",' "$journal" | grep -o '"role":' | wc -l)" -eq $n ]
ok $? "the final table has these $n rows and no other"
limit=$(sed -n 's/.*"latency_limit_ms":\([0-9.e+-]*\),.*/\1/p' "$tmp/r/summary.json")
awk -v limit="$limit" -v hi="$(number deployed hi_ms)" 'BEGIN { exit !(hi + 0 > 0 && limit + 0 > 0 && hi + 0 <= limit + 0) }'
ok $? "the deployed network's latency, upper end of its interval, is within the limit: $(number deployed hi_ms) of $limit ms"
awk -v size="$(number deployed size_kb)" 'BEGIN { exit !(size + 0 > 0 && size + 0 <= 800) }'
ok $? "and its size: $(number deployed size_kb) of 800 kB"
awk -v small="$(number smallest latency_ms)" -v large="$(number largest latency_ms)" 'BEGIN { exit !(small + 0 < large + 0) }'
ok $? "the smallest network is faster than the largest"
finish
