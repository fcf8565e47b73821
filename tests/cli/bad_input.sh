#!/bin/sh
# Bad input of a run: file, place and exit code, and nothing left behind.
. "${LT_SRCDIR:-$(dirname "$0")/../..}/tests/cli/tap.sh"

cd "$tmp" || exit 99
# bad STATUS NAME TEXT [SED]: mini.yaml changed by a sed expression is refused with TEXT in the message.
bad() {
    sed "$4" "$mini" > "$tmp/bad.yaml"
    cmp -s "$mini" "$tmp/bad.yaml" && echo "the sed expression '$4' changed nothing" >&2
    code "$1" "$2" "$lathe" run "$tmp/bad.yaml" -o "$tmp/out.run"
    says "$tmp/err" "$3" "$2: the message names it"
    [ ! -e "$tmp/out.run" ]
    ok $? "$2: no folder is left"
    rm -rf "$tmp/out.run"
}
at() { grep -n "$1" "$mini" | head -n 1 | cut -d: -f1; }
mkdir spaces && cp "$LT_SRCDIR/spaces/tiny.yaml" spaces/
bad 2 "unknown section" "bad.yaml:$(at '^verify'):1: " 's/^verify:/verfy:/'
bad 2 "unknown key" "bad.yaml:$(at '^supernet'):12: " 's/{epochs/{epoch/'
bad 2 "wrong unit" "bad.yaml:$(at latency_ms)" 's/0.8 largest/8 kB/'
bad 2 "out of range" "bad.yaml:$(at '^predictor')" 's/samples: 24/samples: 2000/'
bad 2 "not a number" "bad.yaml:$(at '^supernet')" 's/lr: [0-9.]*/lr: .nan/'
bad 2 "shards that are no power of two" "bad.yaml:$(at '^supernet'):42: " 's/shards: 4/shards: 3/'
bad 2 "a batch that does not divide into its shards" "bad.yaml:$(at '^supernet'):" 's/batch: 32/batch: 30/'
bad 2 "unknown device" "did you mean 'fake'" 's/name: fake/name: fakee/'
bad 2 "missing space" "does not exist" 's/tiny.yaml/absent.yaml/'
bad 2 "wrong schema" "schema" 's/schema: 1/schema: 9/'
code 1 "missing data" "$lathe" run "$mini" -o "$tmp/out.run" --set data.format=idx --set data.dir=/nonexistent
says "$tmp/err" "/nonexistent" "missing data: the folder is named"
code 1 "missing experiment" "$lathe" run "$tmp/absent.yaml"
says "$tmp/err" "absent.yaml" "missing experiment: the file is named"
code 2 "a wrong --set" "$lathe" run "$mini" -o "$tmp/out.run" --set supernet.epoks=1
says "$tmp/err" "--set supernet.epoks" "a wrong --set: the option is the place"
code 2 "a space that does not fit the data" "$lathe" run "$mini" -o "$tmp/out.run" --set data.classes=7
says "$tmp/err" "7 classes" "a space that does not fit the data is named"
code 1 "a device whose file is missing" "$lathe" run "$mini" -o "$tmp/out.run" --until measure --set device='{name: table, file: /nonexistent.csv}' --set predictor.samples=4
says "$tmp/err" "/nonexistent.csv" "the file is named"
rm -rf "$tmp/out.run"
case " $LT_WITH " in
*" mpi "*) skip "this build has MPI" ;;
*) code 3 "started by an MPI launcher without MPI in the build" env OMPI_COMM_WORLD_SIZE=2 "$lathe" run "$mini" -o "$tmp/out.run" ;;
esac

# infeasible: exit 4, with the binding constraint and the nearest point
code 4 "limits below everything" "$lathe" run "$mini" -o "$tmp/inf" --set constraints.latency_ms.max=0.0001
says "$tmp/err" "latency_ms" "the binding constraint is named"
says "$tmp/err" "nearest" "the nearest point is named"
says "$tmp/err" "tiny:" "as an architecture"
code 4 "an accuracy that none has" "$lathe" run "$mini" -o "$tmp/acc" --set constraints.accuracy.min=0.999
says "$tmp/err" "accuracy >= 0.999" "the limit is said"
says "$tmp/err" "binding constraint: accuracy" "the binding constraint is named"
says "$tmp/err" "nearest: tiny:" "the nearest architecture is named"
grep -q '"stage":"train"' "$tmp/acc/summary.json"
ok $? "the summary names the last finished stage after a failure"
code 0 "a device that never settles" "$lathe" run "$mini" -o "$tmp/unstable" --until verify --set device.unstable=1 --set constraints='{}'
says "$tmp/err" "unstable: measured twice" "the choice says so"
grep -q '"type":"verify".*"attempts":2' "$tmp/unstable/evaluations.jsonl"
ok $? "and the journal"
# every limit holds for what is deployed: one that the f32 network meets and its int8 form does not
code 0 "a lower limit of the size" "$lathe" run "$mini" -o "$tmp/large" --set constraints='{size_kb: {min: 20}}' --set deploy.format=none
says "$tmp/err" "quantization not kept: measured" "the smaller int8 network is not deployed"
says "$tmp/err" "outside the limits with size_kb" "and why"

# an exported file that another runtime computes otherwise
case " ${LT_WITH-protobuf-c} " in
*" protobuf-c "*)
    printf '#!/bin/sh\necho %s\n' "'{\"status\": \"ok\", \"max_diff\": 0.5, \"argmax_agree\": 0.25}'" > "$tmp/python" && chmod +x "$tmp/python"
    code 1 "a wrong exported file" env LT_PYTHON="$tmp/python" "$lathe" run "$mini" -o "$tmp/wrong"
    says "$tmp/err" "differ by 5.00e-01 of the largest logit" "the difference is said"
    says "$tmp/err" "25.0 % of the first classes" "and the share of equal classes"
    grep '"type":"deploy"' "$tmp/wrong/evaluations.jsonl" | grep -q '"verified":false,"max_diff":0.5,"argmax_agree":0.25'
    ok $? "the journal has both"
    grep -q '"stage":"final"' "$tmp/wrong/summary.json"
    ok $? "deploy is not finished"
    code 1 "the same command fails again" "$lathe" run "$mini" -o "$tmp/wrong"
    code 0 "unless the comparison is not wanted" "$lathe" run "$mini" -o "$tmp/wrong" --set deploy.verify=false
    grep -q '"role":"deployed".*"precision":"int8 and f32".*"predicted_ms":0\.' "$tmp/wrong/summary.json"
    ok $? "the quantized network has a predicted latency"
    tr -d '\n' < "$tmp/wrong/summary.json" | sed 's/.*"role":"deployed"[^}]*"predicted_ms":\([0-9.e-]*\).*/\1/' > "$tmp/predicted"
    says "$tmp/wrong/deploy/config.yaml" "  predicted: $(cut -c 1-10 "$tmp/predicted")" "the same in the bundle"
    ;;
*) skip "this build cannot write ONNX" ;;
esac
code 4 "check says it before" "$lathe" check "$mini" --set constraints.size_kb.max=0.5

# another experiment in the same folder
code 0 "a first run" "$lathe" run "$mini" -o "$tmp/r" --until measure
code 2 "another experiment in its folder is refused" "$lathe" run "$mini" -o "$tmp/r" --until measure --set seed=8 --set supernet.epochs=1
says "$tmp/err" "seed: 7 in the run, 8 now" "the differing key is named"
says "$tmp/err" "supernet.epochs" "all of them"
code 0 "a key that changes no result may differ" "$lathe" run "$mini" -o "$tmp/r" --until measure --set supernet.threads=1
code 0 "--force moves the old run aside" "$lathe" run "$mini" -o "$tmp/r" --until measure --set seed=8 --force
[ -s "$tmp/r/old-1/evaluations.jsonl" ]
ok $? "and keeps its journal"

# another budget: what was measured and trained is taken over
code 0 "a run up to its search" "$lathe" search "$mini" -o "$tmp/b"
code 0 "with another budget" "$lathe" search "$mini" -o "$tmp/b" --set constraints.size_kb.max=25 --force
says "$tmp/err" "taken over from it: measurements training" "measurements and training are kept"
[ "$(grep -c '"type":"measure"' "$tmp/b/evaluations.jsonl")" -eq 24 ] && [ "$(grep -c '"type":"train"' "$tmp/b/evaluations.jsonl")" -eq 1 ]
ok $? "their records are there"
code 0 "the same from nothing" "$lathe" search "$mini" -o "$tmp/c" --set constraints.size_kb.max=25
journal "$tmp/b" | sort > "$tmp/b.sorted"
journal "$tmp/c" | sort | cmp "$tmp/b.sorted" -
ok $? "gives the same records"

# the same experiment where the device is another one: a table whose contents change
{
    echo arch,latency_ms
    sed -n 's/^{"type":"measure","key":"\([^"]*\)".*"median_s":\([0-9.e-]*\),.*/"\1",\2/p' "$tmp/b/evaluations.jsonl"
} > "$tmp/t.csv"
run_table() { "$lathe" run "$mini" -o "$tmp/t" --until measure --set "device={name: table, file: $tmp/t.csv}" "$@"; }
code 0 "a run on a table of latencies" run_table
sed -i '2s/,[^,]*$/,7.5/' "$tmp/t.csv"
code 0 "nothing is left to measure: a device that changed does not matter yet" run_table
says "$tmp/err" "warning: $tmp/t: its measurements were made on another device or machine" "but is said"
head -n 9 "$tmp/t/evaluations.jsonl" > "$tmp/head" && cp "$tmp/head" "$tmp/t/evaluations.jsonl"
code 1 "it is refused where measurements are missing" run_table
says "$tmp/err" "--force" "and what to do is said"
code 0 "--force measures again" run_table --force
says "$tmp/err" "moved aside" "and moves the old measurements aside"
grep -q '"median_s":0.0075,' "$tmp/t/evaluations.jsonl"
ok $? "the new ones are recorded"
code 0 "--force again has nothing to do" run_table --force
[ ! -e "$tmp/t/old-2" ]
ok $? "and does nothing"

# a journal damaged in the middle
sed -i '3s/a/b/' "$tmp/r/evaluations.jsonl"
code 1 "a journal damaged in the middle is refused" "$lathe" run "$mini" -o "$tmp/r" --until measure --set seed=8
says "$tmp/err" "evaluations.jsonl:3:" "with file and line"
finish
