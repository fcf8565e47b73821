#!/bin/sh
# `lathe predictor`: train, propose, adapt, predict, eval on a small data set; every kind of bad input by file and row;
# files that are torn, foreign, of another space or of a later version.
. "${LT_SRCDIR:-$(dirname "$0")/../..}/tests/cli/tap.sh"

cd "$tmp" || exit 99
mkdir spaces && cp "$LT_SRCDIR/spaces/tiny.yaml" spaces/
p="$lathe predictor"
n=160
# Four devices of different speed: latencies of one device, bent and scaled, are another's.
"$lathe" measure spaces/tiny.yaml -n $n -o ds --device fake > /dev/null 2>&1
for d in 1 2 3; do
    awk -v d=$d 'NR == 1 { print; next } { printf "%.9g\n", d * exp((0.7 + 0.2 * d) * log($1)) + 0.001 * d }' ds/latency/fake.csv > ds/latency/d$d.csv
done
rm -f ds/latency/*.jsonl
rows=$(($(wc -l < ds/archs.csv) - 1))

code 0 "train" $p train --space tiny --data ds --devices d1,d2,d3 --samples-per-device 100 --method roofline --seed 7 -o m.ltp
says err "100 of $rows architectures are for training, drawn at random by seed 7" "train says how it splits"
says m.ltp '"method":"roofline"' "the file names its method"
says m.ltp '"devices":["d1","d2","d3"]' "and its devices"
says m.ltp "--samples-per-device 100 --method roofline --seed 7" "and the command"
code 0 "train again, the devices in another order" $p train --space tiny --data ds --devices d3,d1 --devices d2 --samples-per-device 100 --method roofline --seed 7 -o m2.ltp
for m in m m2; do $p eval $m.ltp --data ds --devices fake --samples 8 --trials 2 --json > $m.json 2> /dev/null; done
cmp m.json m2.json
ok $? "the same figures"
code 0 "train and adapt the default" $p train --space tiny --data ds --devices d1,d2,d3 -n 80 -o few.ltp
says few.ltp '"method":"fewshot"' "which is fewshot"
code 0 "train on one device" $p train --space tiny --data ds --devices fake -n 120 --method linear -o one.ltp

code 0 "propose" $p propose m.ltp -n 6
[ "$(wc -l < out)" -eq 7 ] && [ "$(head -n 1 out)" = arch,latency_ms ] && [ "$(sort -u out | wc -l)" -eq 7 ]
ok $? "six different architectures in a table to fill in"
# "measured": the proposed ones, with the latencies of the fake device
sed 1d out | sed 's/,$//; s/"//g' > archs.txt
{
    echo arch,latency_ms
    while read -r a; do "$lathe" measure spaces/tiny.yaml --device fake --json "$a" 2> /dev/null |
        sed -n 's/.*"arch":"\([^"]*\)".*"median_s":\([0-9.e+-]*\).*/\1 \2/p'; done < archs.txt |
        awk '{ printf "\"%s\",%.9g\n", $1, 1000 * $2 }'
} > mine.csv
[ "$(wc -l < mine.csv)" -eq 7 ]
ok $? "they are measured" mine.csv
code 0 "adapt" $p adapt m.ltp --measured mine.csv -o mine.ltp
says err "adapted to 6 measurements" "adapt says to how many"
says err "median error" "and how well they agree"
code 0 "predict" $p predict mine.ltp --archs ds/archs.csv --csv
[ "$(wc -l < out)" -eq $((rows + 1)) ] && head -n 1 out | grep -q '^arch,mean_ms,sd_ms$'
ok $? "predict --csv: a row for each architecture"
paste -d, ds/latency/fake.csv out | sed 's/"[^"]*"/x/' | awk -F, 'NR > 1 { d = $3 / $1 - 1; s += d < 0 ? -d : d } END { exit !(s / (NR - 1) < 0.1) }'
ok $? "predictions are within 10 % of the truth in the mean"
code 0 "predict --json" $p predict mine.ltp --json "$(head -n 1 archs.txt)"
grep -q '"mean_ms":[0-9.]*,"sd_ms":[0-9.]*}' out
ok $? "as JSON"
code 0 "propose next" $p propose mine.ltp -n 3 --measured mine.csv --among ds/archs.csv
cut -d'"' -f2 out | sed 1d | while read -r a; do grep -q -F "$a" mine.csv && echo again; done > again
[ ! -s again ]
ok $? "what is proposed next has not been measured"

code 0 "eval" $p eval m.ltp --data ds --devices fake --samples 8 --trials 4 --json
keys=$(sed 's/:[^,}]*//g; s/[{}"]//g' out)
[ "$keys" = device,samples,trials,spearman,spearman_sd,spearman_band,spearman_band_sd,kendall,kendall_sd,mape,mape_sd,medape,medape_sd,within5,within5_sd,within10,within10_sd,coverage90,coverage90_sd ]
ok $? "eval --json: just these keys" out
for choose in random proposed reference; do
    code 0 "eval --choose $choose" $p eval m.ltp --data ds --devices fake,d2 --samples 8 --trials 3 --choose $choose
    [ "$(grep -c '^fake\|^d2\|^mean' out)" -eq 3 ]
    ok $? "$choose: a line for each device and the mean" out
done
says err "trained on device 'd2'" "eval on a training device is marked"
code 0 "eval in rounds" $p eval m.ltp --data ds --devices fake --samples 8 --trials 2 --choose proposed --rounds 2 --csv
code 0 "eval of a model as it is" $p eval one.ltp --data ds --devices fake --samples 0 --json
sed 's/.*"spearman":\([0-9.]*\).*/\1/' out | awk '{ exit !($1 > 0.95) }'
ok $? "linear has learned the device" out
code 0 "eval --html" $p eval m.ltp --data ds --devices fake --samples 8 --trials 2 --html page.html
says page.html '"calibration":[[0,0]' "the page holds the calibration"
grep -q -i 'src=\|href=' page.html
[ $? -ne 0 ]
ok $? "and needs no other file"

# a run adapts a trained model
code 0 "a run with a model" "$lathe" run "$mini" -o run --until predict --set predictor="{name: roofline, model: $tmp/m.ltp, samples: 12}"
says err "predictor 'roofline' from 12 measurements; on 2 held-out ones" "its error on held-out measurements is stated"
code 2 "a model of another method" "$lathe" run "$mini" -o run2 --until predict --set predictor="{name: linear, model: $tmp/m.ltp, samples: 12}"
says err "a model of predictor 'roofline', but the experiment names 'linear'" "is named"
code 2 "a model that is missing" "$lathe" run "$mini" -o run3 --set predictor="{name: roofline, model: $tmp/absent.ltp}"
says err "there is no file" "is found out before anything is measured"

# the same bits for any number of threads, and from the same command
for t in 1 3; do
    OPENBLAS_NUM_THREADS=$t OMP_NUM_THREADS=$t $p train --space tiny --data ds --devices fake -n 100 --method linear -o t.ltp 2> /dev/null
    mv t.ltp t$t
done
cmp t1 t3
ok $? "linear: the same file for any number of threads"

# bad data sets
bad() { # STATUS NAME TEXT COMMAND...
    want=$1 what=$2 text=$3
    shift 3
    rm -f bad.ltp
    code "$want" "$what" "$@"
    says err "$text" "$what: the message names it"
    [ ! -e bad.ltp ]
    ok $? "$what: nothing is written"
}
broken() { # a copy of the set
    rm -rf bad
    cp -r ds bad
}
train="$p train --space tiny --data bad --devices d1,d2 --samples-per-device 50 --method roofline -o bad.ltp"
broken; bad 2 "missing device" "no device 'd9', did you mean 'd" $p train --space tiny --data bad --devices d9 --method roofline -o bad.ltp
broken; sed -i '$d' bad/latency/d1.csv; bad 2 "differing row counts" "bad/latency/d1.csv: $((rows - 1)) rows, but bad/archs.csv has $rows" $train
broken; sed -i '5s/.*/quick/' bad/latency/d1.csv; bad 2 "a latency that is text" "bad/latency/d1.csv:5: column 'latency_ms': 'quick'" $train
broken; awk 'NR > 1 { $0 = 3 } { print }' ds/latency/d1.csv > bad/latency/d1.csv; bad 2 "constant latencies" "bad/latency/d1.csv: all $rows latencies of device 'd1' are 3 ms" $train
broken; awk 'NR > 1 { $0 = "nan" } { print }' ds/latency/d1.csv > bad/latency/d1.csv; bad 2 "no usable latency" "bad/latency/d1.csv: none of its $rows latencies" $train
broken; sed -i '7s/.*/"tiny:r99"/' bad/archs.csv; sed -i '1s/.*/arch/; 2,6s/^\("[^"]*"\).*/\1/; 8,$s/^\("[^"]*"\).*/\1/' bad/archs.csv; bad 2 "an unknown architecture" "bad/archs.csv:7: " $train
broken; sed -i '1s/arch/name/' bad/archs.csv; bad 2 "no architectures" "no column 'arch'" $train
broken; sed -i '1s/latency_ms/ms/' bad/latency/d1.csv; bad 2 "no latencies" "bad/latency/d1.csv: no column 'latency_ms'" $train
broken; rm bad/archs.csv bad/latency/*; bad 1 "an empty folder" "bad" $p train --space tiny --data bad/none --method roofline -o bad.ltp
broken; bad 2 "fewer rows than asked for" "$((rows + 1)) architectures are wanted of each device, and none has more than $rows usable rows" $p train --space tiny --data bad --devices d1 --samples-per-device $((rows + 1)) --method roofline -o bad.ltp
broken; bad 2 "a method that learns one device" "learns one device" $p train --space tiny --data bad --method linear -o bad.ltp
broken; bad 2 "an unknown method" "did you mean 'linear'" $p train --space tiny --data bad --method liner -o bad.ltp
broken; bad 2 "an unknown option of the method" "did you mean 'lambda'" $p train --space tiny --data bad --devices d1 --method linear --set lamda=1 -o bad.ltp
broken; bad 1 "a folder that is not there" "nowhere" $p train --space tiny --data ds --devices d1 --method linear -o nowhere/bad.ltp
broken; bad 2 "too few for an evaluation" "too few to take 100 samples" $p eval m.ltp --data ds --devices fake --samples 100
broken; bad 2 "a band upside down" "--band '0.9,0.1'" $p eval m.ltp --data ds --band 0.9,0.1
broken; bad 2 "a way of choosing that there is not" "none of random, proposed, reference" $p eval m.ltp --data ds --choose best
bad 2 "no verb" "one of train, propose, adapt, predict, eval is needed" $p
bad 2 "an unknown verb" "'fit' is not one of" $p fit

# what cannot be used is counted, and the rest is
broken
sed -i '3s/.*/nan/; 9s/.*/-1/; 11s/.*/0/; 12s/.*//' bad/latency/d1.csv
sed '12s/.*/inf/' bad/latency/d1.csv > x && mv x bad/latency/d1.csv
code 0 "unusable latencies" $train
says err "bad/latency/d1.csv: 4 of $rows latencies excluded: 2 not a number, 2 not positive; the first in line 3" "are counted by reason"
broken
sed -n '2,4p' ds/archs.csv >> bad/archs.csv
for d in d1 d2 d3 fake; do sed -n '2,4p' ds/latency/$d.csv >> bad/latency/$d.csv; done
code 0 "repeated architectures" $train
says err "repeat the architecture of an earlier row" "are counted"

# bad measurements
bad 2 "a measured latency that is zero" "z.csv:2: latency_ms '0' is not a positive number" sh -c "sed '2s/,[^,]*\$/,0/' mine.csv > z.csv; $p adapt m.ltp --measured z.csv -o bad.ltp"
bad 2 "one that is missing" "z.csv:3: latency_ms '' is not a positive number" sh -c "sed '3s/,[^,]*\$/,/' mine.csv > z.csv; $p adapt m.ltp --measured z.csv -o bad.ltp"
bad 2 "an architecture of another space" "z.csv:4: " sh -c "sed '4s/tiny/mobile28/' mine.csv > z.csv; $p adapt m.ltp --measured z.csv -o bad.ltp"
bad 2 "one measurement" "too few" sh -c "sed -n '1,2p' mine.csv > z.csv; $p adapt m.ltp --measured z.csv -o bad.ltp"
bad 2 "no column of latencies" "z.csv: no column 'latency_ms'" sh -c "sed '1s/latency_ms/ms/' mine.csv > z.csv; $p adapt m.ltp --measured z.csv -o bad.ltp"

# bad model files
size=$(wc -c < m.ltp)
head -c $((size - 9)) m.ltp > torn.ltp
bad 1 "a torn model" "torn.ltp: torn or damaged" $p propose torn.ltp
cp m.ltp flip.ltp && printf x | dd of=flip.ltp bs=1 seek=$((size / 2)) conv=notrunc 2> /dev/null
bad 1 "a damaged model" "flip.ltp: torn or damaged" $p propose flip.ltp
cp mine.csv foreign.ltp
bad 1 "a foreign file" "foreign.ltp: not a predictor's model file" $p propose foreign.ltp
cp m.ltp later.ltp && printf '\002' | dd of=later.ltp bs=1 seek=8 conv=notrunc 2> /dev/null
bad 1 "a later version" "later.ltp: version 2 of the format" $p propose later.ltp
sed 's/\[8, 12\]/[8, 16]/' spaces/tiny.yaml > spaces/other.yaml
cmp -s spaces/tiny.yaml spaces/other.yaml && sed 's/kernel: \[3, 5\]/kernel: [3, 7]/' spaces/tiny.yaml > spaces/other.yaml
bad 2 "a model of another space" "m.ltp: a model of space 'tiny'" $p propose m.ltp --space spaces/other.yaml
bad 1 "a model that is not there" "absent.ltp" $p propose absent.ltp
finish
