#!/bin/sh
# `lathe space`: what it says of spaces of blocks and of cells, samples and their conditions, drawings, exports, and its refusals.
. "${LT_SRCDIR:-$(dirname "$0")/../..}/tests/cli/tap.sh"
spaces=$LT_SRCDIR/spaces
python=${LT_PYTHON-python3}
all3='nasbench201:|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|'
mixed='nasbench201:|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|avg_pool_3x3~1|skip_connect~2|'
cd "$LT_SRCDIR" || exit 99

# ---- list, count, show
code 0 "list" "$lathe" space list
for s in tiny mobile28 nasbench201 darts; do says "$tmp/out" "spaces/$s.yaml" "$s is listed"; done
! grep -q invalid "$tmp/out"
ok $? "and every listed space is valid" "$tmp/out"
code 0 "count nasbench201" "$lathe" space count nasbench201
[ "$(cat "$tmp/out")" = 15625 ]
ok $? "is 15,625"
code 0 "show nasbench201" "$lathe" space show nasbench201
says "$tmp/out" "15625 networks" "show gives the size"
says "$tmp/out" "none skip_connect nor_conv_1x1 nor_conv_3x3 avg_pool_3x3" "and the choices"
says "$tmp/out" "7783040 to 220119680 MACs" "and the attainable range of MACs"
says "$tmp/out" "73306 to 1531546 parameters" "and of parameters"
says "$tmp/out" "published: all_3x3, 220.11969 M MACs" "and the published networks"
code 0 "show an architecture" "$lathe" space show nasbench201 "$all3" --convention nasbench201
says "$tmp/out" "220119690 MACs" "FLOPs as the benchmark counts them"
says "$tmp/out" "1531546 parameters" "and its parameters"
code 0 "--arch is the same" "$lathe" space show nasbench201 --arch "$all3" -C nasbench201
says "$tmp/out" "220119690 MACs" "with the same costs"
code 0 "every convention" "$lathe" space show tiny largest --convention all
says "$tmp/out" "conv-linear" "is named"
says "$tmp/out" "no-classifier" "with the others"

# ---- drawings
for s in nasbench201 darts mobile28; do
    code 0 "a drawing of $s" "$lathe" space show "$s" --svg "$tmp/$s.svg"
    says "$tmp/$s.svg" "</svg>" "$s: the drawing is whole"
    if "$python" -c 'import xml.dom.minidom' 2> /dev/null; then
        "$python" -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$tmp/$s.svg" 2> "$tmp/err"
        ok $? "$s: it is XML" "$tmp/err"
    else
        skip "no python for the XML of $s"
    fi
done
code 0 "a drawing of one cell" "$lathe" space show nasbench201 "$mixed" --svg "$tmp/mixed.svg"
for o in nor_conv_3x3 none skip_connect nor_conv_1x1 avg_pool_3x3; do says "$tmp/mixed.svg" ">$o<" "shows $o"; done

# ---- samples
code 0 "samples" "$lathe" space sample nasbench201 -n 200 --seed 7
cp "$tmp/out" "$tmp/first"
[ "$(sort -u "$tmp/first" | wc -l)" -gt 150 ]
ok $? "200 samples are different networks"
code 0 "again" "$lathe" space sample nasbench201 -n 200 --seed 7
cmp -s "$tmp/out" "$tmp/first"
ok $? "the same seed gives the same samples"
code 0 "fewer" "$lathe" space sample nasbench201 -n 20 --seed 7
head -n 20 "$tmp/first" | cmp -s - "$tmp/out"
ok $? "the first 20 are the first 20"
code 0 "as a table" "$lathe" space sample nasbench201 -n 5 --csv --costs
[ "$(sed -n 1p "$tmp/out")" = "arch,op01,op02,op12,op03,op13,op23,macs,params,size,bytes,ops" ] && [ "$(wc -l < "$tmp/out")" -eq 6 ]
ok $? "has the columns of the space and of the costs" "$tmp/out"
code 0 "under conditions" "$lathe" space sample mobile28 -n 20 --where 'macs<=2M' --where 'params>=60k' --csv --costs
# the costs are the last five columns; the architecture before them may hold commas
awk -F, 'NR > 1 && ($(NF - 4) > 2e6 || $(NF - 3) < 60e3) { bad = 1 } END { exit bad || NR != 21 }' "$tmp/out"
ok $? "all 20 meet them" "$tmp/out"
code 0 "a condition on a choice" "$lathe" space sample nasbench201 -n 10 -w '0>1=nor_conv_3x3' -w '2>3=0'
[ "$(grep -c '^nasbench201:|nor_conv_3x3~0|.*none~2|$' "$tmp/out")" -eq 10 ]
ok $? "holds for all" "$tmp/out"
code 4 "conditions that nothing meets" "$lathe" space sample tiny -n 1 -w 'macs<=1'
says "$tmp/err" "macs reaches from" "are refused with what can be reached"
code 0 "balanced samples" "$lathe" space sample mobile28 -n 60 --balance macs --costs --csv
# thirds of the range: as many in each, give and take a few
awk -F, 'NR > 1 { v[NR] = $(NF - 4) + 0; if (NR == 2 || v[NR] < lo) lo = v[NR]; if (v[NR] > hi) hi = v[NR] }
    END { for (i = 2; i <= NR; i++) n[int(2.9999 * (v[i] - lo) / (hi - lo))]++; exit !(n[0] >= 15 && n[1] >= 15 && n[2] >= 15) }' "$tmp/out"
ok $? "cover the range evenly" "$tmp/out"
code 0 "uniform over architectures" "$lathe" space sample tiny -n 400 --uniform archs
# of a stage's networks with up to two blocks, 4 choices each, 4 of 20 have one block
awk '{ split($0, p, "|"); for (i in p) if (p[i] ~ /^s1:/ || p[i] ~ /:s1:/) { n = gsub(/k/, "k", p[i]); if (n == 1) one++ } } END { exit !(one > 40 && one < 125) }' "$tmp/out"
ok $? "deep stages come as often as there are networks of them" "$tmp/out"

# ---- exports
case " ${LT_WITH-protobuf-c} " in
*" protobuf-c "*)
    code 0 "export" "$lathe" space export nasbench201 "$mixed" -o "$tmp/net.onnx" --sample "$tmp/sample.json"
    [ -s "$tmp/net.onnx" ] && [ -s "$tmp/sample.json" ]
    ok $? "writes the model and the sample"
    cp "$tmp/net.onnx" "$tmp/net.first"
    code 0 "export again" "$lathe" space export nasbench201 "$mixed" -o "$tmp/net.onnx"
    cmp -s "$tmp/net.onnx" "$tmp/net.first"
    ok $? "gives the same bytes"
    code 0 "export with another seed" "$lathe" space export nasbench201 "$mixed" -o "$tmp/net.onnx" --seed 3
    ! cmp -s "$tmp/net.onnx" "$tmp/net.first"
    ok $? "gives others"
    mkdir "$tmp/weights"
    code 1 "weights that are not there" "$lathe" space export tiny smallest -o "$tmp/w.onnx" --weights "$tmp/weights"
    says "$tmp/err" "stem.conv.weight.npy" "the first missing file is named"
    printf 'not an array' > "$tmp/weights/stem.conv.weight.npy"
    code 1 "a file that is no array" "$lathe" space export tiny smallest -o "$tmp/w.onnx" --weights "$tmp/weights"
    says "$tmp/err" "not a NumPy array" "is refused"
    [ ! -e "$tmp/w.onnx" ]
    ok $? "and no model is written"
    ;;
*) code 3 "export needs ONNX" "$lathe" space export nasbench201 "$mixed" -o "$tmp/net.onnx" ;;
esac

# ---- check: every mistake of a file of twenty, in its order, and nothing else
cat > "$tmp/seeded.yaml" <<'END'
schema: 1
name: seeded
abuot: twenty mistakes
input: {channels: 3, resolution: [32, 16]}
classes: 1
act: rleu
divisor: 0
choices:
  late: {choice: [1, 2], when: {s2.depth: 2}, else: 1}
  unused: [1, 2]
stem: {block: cnov, channels: 16, kernel: 3, stride: 2}
stages:
  - {name: s1, block: mbconv, channels: 16, depth: [], kernel: 3, expand: 1}
  - {name: s2, block: mbconv, channels: [24, 25], depth: [1, 2], stride: 2, kernel: [3, 4], expand: 3}
  - {name: s3, block: mbconv, channels: 40, depth: 1, kernel: 3, expand: 1, groups: 7}
  - {name: s3, block: mbconv, channels: 40, depth: 1, kernel: 3, expand: 6}
  - {name: s4, block: mbconv, channels: 0, depth: 2, stride: 2, kernel: 33, expand: 6}
  - {name: head, block: conv, channels: 80, depth: 2, stride: 2}
  - {name: s5, block: mbconv, channels: 80, depth: 2, stride: 2, kernel: 3}
  - {name: s6, block: mbconv, channels: 96, depth: 2, stride: 2, kernel: 3, expand: 6, squeeze: 0.25}
  - {name: s7, block: conv, channels: 96, depth: 1, stride: 8}
  - {name: s8, block: conv, channels: 96, depth: 1, stride: 8}
head: {channels: 1280, act: relu}
END
cd "$tmp" || exit 99
code 2 "a file of twenty mistakes" "$lathe" space check seeded.yaml
cd "$LT_SRCDIR" || exit 99
cut -d: -f1-3 "$tmp/out" > "$tmp/places"
for p in 3:1 4:39 5:10 6:6 7:10 9:33 10:3 11:15 13:52 14:46 14:89 15:5 16:12 17:41 17:73 18:12 19:5 20:88 21:5 22:5; do echo "seeded.yaml:$p"; done > "$tmp/wanted"
cmp -s "$tmp/places" "$tmp/wanted"
ok $? "each is named with its line and column, once" "$tmp/out"
says "$tmp/out" "did you mean 'conv'" "an unknown block, with the nearest"
says "$tmp/out" "7 groups must divide" "channels that do not divide into groups"
says "$tmp/out" "an empty list is no choice" "an empty list"
says "$tmp/out" "too small" "a stride that shrinks below one pixel"
says "$tmp/out" "two stages are called 's3'" "a name that comes twice"
says "$tmp/out" "a condition can only look back" "a condition on a later choice"
cat > "$tmp/cells.yaml" <<'END'
schema: 1
name: st
input: {channels: 3, resolution: 32}
classes: 10
cells:
  operations:
    skip: []
    conv: [relu, {conv: 3}, bn]
    two: [relu, {conv: 3}, factorized, bn]
    pool: [{avg: 3}]
  choices: [conv, pool, skip, two]
  kinds:
    - {name: a, nodes: 2, stride: 2}
  stack:
    - {name: stem, steps: [{conv: 3}], channels: 8}
    - {name: s1, cell: a, channels: 8}
END
code 2 "operations that do not fit their edges" "$lathe" space check "$tmp/cells.yaml"
says "$tmp/out" "cells.yaml:7:11: operation 'skip' at s1.c0.e0_1.skip: no step takes the stride" "an operation that cannot take a stride"
says "$tmp/out" "cells.yaml:9:10: operation 'two' at" "an operation that needs one"
sed -e 's/choices: .*/choices: [conv, conv, pol]/' -e 's/nodes: 2, stride: 2/nodes: 2, keep: 2, edges: [{from: 2, to: 1}]/' -e 's/cell: a, ch/cell: b, ch/' "$tmp/cells.yaml" > "$tmp/cells2.yaml"
code 2 "choices, kinds and parts that are not there" "$lathe" space check "$tmp/cells2.yaml"
says "$tmp/out" "operation 'conv' is listed twice" "an operation that comes twice"
says "$tmp/out" "unknown operation 'pol', did you mean 'pool'" "one that is not there"
says "$tmp/out" "unknown cell 'b'" "a cell that is not there"
printf 'include: b.yaml\nname: a\n' > "$tmp/a.yaml"
printf 'include: a.yaml\nname: b\n' > "$tmp/b.yaml"
code 2 "files that include each other" "$lathe" space check "$tmp/a.yaml"
says "$tmp/out" "includes itself" "are named"
printf 'schema: 1\nname: x\nname: y\ninput: {channels: 3\n' > "$tmp/broken.yaml"
code 2 "a file that is no YAML" "$lathe" space check "$tmp/broken.yaml"
says "$tmp/out" "broken.yaml:3:1: key 'name'" "the first complaint"
says "$tmp/out" "not YAML" "and the next"
sed 's/params: 73306/params: 73307/' "$spaces/nasbench201.yaml" > "$tmp/wrong.yaml"
code 2 "a published count that does not come out" "$lathe" space check "$tmp/wrong.yaml"
says "$tmp/out" "has 73306 parameters; published are 73307" "is named with both"
code 1 "a file that is not there" "$lathe" space check "$tmp/absent.yaml"
code 0 "the shipped spaces" "$lathe" space check "$spaces"/*.yaml
[ "$(grep -c 'no mistakes' "$tmp/out")" -eq "$(ls "$spaces"/*.yaml | wc -l)" ]
ok $? "have no mistakes, and the counts that they state" "$tmp/out"

# ---- the schema for editors
code 0 "schema" "$lathe" space schema
cmp -s "$tmp/out" "$LT_SRCDIR/docs/space.schema.json"
ok $? "docs/space.schema.json is what the program prints (else: lathe space schema > docs/space.schema.json)"
if why=$("$python" -c 'import jsonschema, yaml' 2>&1); then
    "$python" - "$tmp/out" "$tmp/seeded.yaml" "$spaces"/*.yaml > "$tmp/report" 2>&1 <<'END'
import json, sys
import jsonschema, yaml
schema = json.load(open(sys.argv[1]))
jsonschema.Draft7Validator.check_schema(schema)
check = jsonschema.Draft7Validator(schema)
bad = 0
for name in sys.argv[3:]:
    for e in check.iter_errors(yaml.safe_load(open(name))):
        print(name, list(e.absolute_path), e.message[:200])
        bad += 1
found = len(list(check.iter_errors(yaml.safe_load(open(sys.argv[2])))))
print(found, "complaints about the file of mistakes")
sys.exit(1 if bad or found < 8 else 0)
END
    ok $? "the schema accepts all shipped spaces, and not the mistakes" "$tmp/report"
else
    skip "$(echo "$why" | tail -n 1)"
fi

# ---- JSON Lines
if "$python" -c 'import json' 2> /dev/null; then
    for c in "list" "show darts" "show tiny largest --convention all" "count darts" "sample darts -n 3 --costs" "check $spaces/tiny.yaml" "check $tmp/seeded.yaml"; do
        # shellcheck disable=SC2086
        "$lathe" space $c --json 2> "$tmp/err" | "$python" -c '
import json, sys
lines = [json.loads(l) for l in sys.stdin]
sys.exit(0 if lines and all(l["schema"] == 1 for l in lines) else 1)'
        ok $? "'space $c --json' prints JSON Lines of schema 1" "$tmp/err"
    done
else
    skip "python3 was not found"
fi

# ---- refusals
wrong() {
    name=$1
    text=$2
    shift 2
    code 2 "$name" "$lathe" space "$@"
    says "$tmp/err" "$text" "$name: '$text'"
}
wrong "no verb" "is needed"
wrong "an unknown verb" "'lst' is not one of" lst
wrong "count without a space" "needs one space" count
wrong "count with two" "needs one space" count tiny darts
wrong "an unknown space" "neither" show tinny
wrong "an unknown convention" "did you mean 'nasbench201'" show tiny largest --convention nasbench21
wrong "an option of another verb" "show has no option --number" show tiny -n 3
wrong "export without a file" "-o FILE" export tiny largest
wrong "export without an architecture" "needs a space and an architecture" export tiny -o x.onnx
wrong "too many samples" "between 0 and" sample tiny -n 100000000
wrong "an unknown cost" "did you mean 'macs'" sample tiny --balance mcs
wrong "two formats" "exclude each other" sample tiny --csv --json
wrong "a wrong way" "'genes' or 'archs'" sample tiny --uniform all
wrong "no condition" "is no condition" sample tiny -w macs
wrong "an unknown name in a condition" "did you mean 'params'" sample tiny -w 'parms<=3'
wrong "no number in a condition" "is no number" sample tiny -w 'macs<=lots'
wrong "an unknown operation in a condition" "neither a number nor a value" sample nasbench201 -w '0>1=conv'
wrong "an unknown operation" "column 14" show nasbench201 'nasbench201:|nor_conv_5x5~0|+|none~0|none~1|+|none~0|none~1|none~2|'
wrong "an edge from elsewhere" "expected '~1|'" show nasbench201 'nasbench201:|none~0|+|none~0|none~0|+|none~0|none~1|none~2|'
wrong "a cell that ends early" "found the end" show nasbench201 'nasbench201:|none~0|+|none~0|none~1|'
wrong "a cell that goes on" "expected the end" show nasbench201 "$all3+"
wrong "two edges from one node" "another input" show darts "darts:Genotype(normal=[('skip_connect', 0), ('skip_connect', 0)"
finish
