#!/bin/sh
# The command line itself: help, usage errors, exit codes, --json, and results that do not reach the disk.
. "${LT_SRCDIR:-$(dirname "$0")/../..}/tests/cli/tap.sh"

code 0 "--help exits 0" "$lathe" --help
says "$tmp/out" "EXPERIMENT" "help goes to stdout"
code 2 "no command is a usage error" "$lathe"
code 2 "an unknown command is a usage error" "$lathe" serach
says "$tmp/err" "did you mean 'search'" "and the nearest command is named"
for c in run check train search quantize deploy space device measure report version; do
    code 0 "$c -h exits 0" "$lathe" "$c" -h
    says "$tmp/out" "usage: lathe $c" "$c -h explains on stdout"
done
code 2 "run without an experiment" "$lathe" run
code 2 "an unknown option" "$lathe" run --forse "$mini"
says "$tmp/err" "did you mean --force" "and the nearest option is named"
code 2 "an option without its value" "$lathe" run "$mini" -o
code 2 "an option with an empty value" "$lathe" run "$mini" -o ""
code 2 "an unknown stage" "$lathe" run "$mini" -o "$tmp/x" --until serch
says "$tmp/err" "search" "and the nearest stage is named"
[ ! -d "$tmp/x" ]
ok $? "a refused run leaves no folder"
code 2 "a whole number is expected" "$lathe" space sample "$LT_SRCDIR/spaces/tiny.yaml" -n three

code 0 "version" "$lathe" version
code 0 "device list" "$lathe" device list
says "$tmp/out" "host" "the host is a device"
code 0 "device show fake" "$lathe" device show fake
code 2 "an unknown device" "$lathe" device show fakee
cd "$LT_SRCDIR" || exit 99
code 0 "space list" "$lathe" space list
says "$tmp/out" "spaces/tiny.yaml" "the tiny space is listed"
code 0 "space show" "$lathe" space show tiny
code 0 "space count" "$lathe" space count tiny
code 0 "space sample" "$lathe" space sample tiny -n 5 --seed 1
[ "$(wc -l < "$tmp/out")" -eq 5 ]
ok $? "five samples are five lines"
arch=$(sed -n 1p "$tmp/out")
code 0 "a sampled architecture is shown" "$lathe" space show tiny --arch "$arch"
code 2 "a broken architecture is refused" "$lathe" space show tiny --arch "${arch}x"
code 0 "measure on the fake device" "$lathe" measure tiny "$arch" largest -d fake -o "$tmp/set"
[ "$(wc -l < "$tmp/set/archs.csv")" -eq 3 ] && [ "$(wc -l < "$tmp/set/latency/fake.csv")" -eq 3 ] && [ "$(sed -n 1p "$tmp/set/latency/fake.csv")" = latency_ms ]
ok $? "a latency data set has one row an architecture"
cp "$tmp/set/archs.csv" "$tmp/archs.before"
code 2 "other architectures are refused in its folder" "$lathe" measure tiny smallest -d roofline -o "$tmp/set"
says "$tmp/err" "set/archs.csv" "and the file is named"
code 2 "another sample is refused too" "$lathe" measure tiny -n 2 -d roofline -o "$tmp/set"
[ ! -e "$tmp/set/latency/roofline.csv" ] && cmp -s "$tmp/set/archs.csv" "$tmp/archs.before"
ok $? "a refused measurement leaves the folder as it was"
code 0 "a second device measures the architectures that are there" "$lathe" measure tiny -d roofline -o "$tmp/set"
[ "$(wc -l < "$tmp/set/latency/roofline.csv")" -eq 3 ] && cmp -s "$tmp/set/archs.csv" "$tmp/archs.before"
ok $? "its latencies belong to the same rows"
grep '"arch"' "$tmp/set/latency/roofline.jsonl" | sed 's/.*"arch": *"\([^"]*\)".*/"\1"/' > "$tmp/rows"
sed 1d "$tmp/set/archs.csv" | sed 's/^\("[^"]*"\).*/\1/' | cmp -s - "$tmp/rows"
ok $? "in the same order"
code 0 "the same architectures by name are accepted" "$lathe" measure tiny "$arch" largest -d fake -o "$tmp/set"

if [ -w /dev/full ]; then
    for c in "version" "space count tiny" "device list" "--help" "check --quick $mini"; do
        # shellcheck disable=SC2086
        "$lathe" $c > /dev/full 2> "$tmp/err"
        [ $? -eq 1 ]
        ok $? "'$c' to a full disk exits 1" "$tmp/err"
        says "$tmp/err" "No space left" "'$c' says so"
    done
else
    skip "/dev/full is not there"
fi

if "${LT_PYTHON-python3}" -c 'import json' 2> /dev/null; then
    for c in "version --json" "device list --json" "device show fake --json" "space list --json" "space count tiny --json" "space show tiny --json" "space sample tiny -n 3 --json" "measure tiny -n 2 -d fake --json" "check --quick --json $mini"; do
        # shellcheck disable=SC2086
        "$lathe" $c 2> "$tmp/err" | "${LT_PYTHON-python3}" -c '
import json, sys
lines = [json.loads(l) for l in sys.stdin]
sys.exit(0 if lines and all(l["schema"] == 1 for l in lines) else 1)'
        ok $? "'$c' prints JSON Lines of schema 1" "$tmp/err"
    done
else
    skip "python3 was not found"
fi
finish
