#!/bin/sh
# The arrows between the rooms of the house, as ARCHITECTURE.md draws them, and who alone may do what. Prints TAP.
# Needs no build: it reads the sources below LT_SRCDIR (default: the folder above this script).
LC_ALL=C
export LC_ALL
cd "${LT_SRCDIR:-$(dirname "$0")/..}" || exit 99

count=0
# verdict NAME OFFENCES: passes when OFFENCES is empty.
verdict() {
    count=$((count + 1))
    if [ -z "$2" ]; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1"
        printf '%s\n' "$2" | sed 's/^/#   /'
    fi
}

# Every quoted include below DIR as "file:line: header".
includes() {
    find "$1" -name '*.[ch]' -exec grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"' {} + | sed -E 's/:[[:space:]]*#[^"]*"([^"]*)".*/: \1/'
}

# strangers ALLOWED: of the includes on its input, those that belong to none of these rooms and are none of these headers.
strangers() {
    awk -v allowed=" $1 " '
        BEGIN {
            n = split("base status mem buf rng rng_gsl yaml opt json csv file stats ui knapsack, graph graph cost onnx, space space, runtime runtime infer_profile," \
                      "supernet supernet data data_test, quant quant, deploy deploy, comm comm, device device, predictor predictor latency_set, search searcher," \
                      "run report", line, ",")
            for (i = 1; i <= n; i++) { k = split(line[i], w, " "); for (j = 2; j <= k; j++) room[w[j]] = w[1] }
            split("spaces space devices device predictors predictor search search", w, " ")
            for (i = 1; i < 8; i += 2) folder[w[i]] = w[i + 1]
        }
        {
            header = $2
            if (header == "config.h") next
            sub(/^src\//, "", header)
            split(header, part, "/")
            if (part[1] == "lathe") { name = part[2]; sub(/\.h$/, "", name); r = (name in room) ? room[name] : "unknown:" name }
            else if (part[1] in folder) r = folder[part[1]]
            else r = part[1]
            if (index(allowed, " " r " ") == 0 && index(allowed, " " header " ") == 0) print $1, header, "(" r ")"
        }'
}
# allow DIR ALLOWED: the sources below DIR; public HEADERS ALLOWED: these headers of src/lathe, which bind everybody who includes them.
allow() {
    verdict "$1 includes only: $2" "$(includes "$1" | strangers "$2")"
}
checked=
public() {
    found=
    for name in $1; do
        checked="$checked $name "
        found="$found$(includes "src/lathe/$name.h" | strangers "$2")"
    done
    verdict "public headers $1 include only: $2" "$found"
}

allow src/base "base"
allow src/graph "base graph"
allow spaces "base graph space"
allow src/runtime "base graph runtime"
allow src/comm "base comm"
allow src/supernet "base graph space runtime comm supernet"
# a quantizer calibrates and judges on images: of the supernet's room it may know the data sets, nothing else
allow src/quant "base graph runtime quant lathe/data.h"
allow src/deploy "base graph deploy"
allow devices "base graph runtime device"
# networks that predict latencies are matrix products: of the runtime, its own kernels and nothing that runs a graph
allow predictors "base graph space device predictor runtime/kernels/kernels.h"
allow search "base graph space search"
allow src/run "base graph space runtime comm supernet quant deploy device predictor search run"

public "status mem buf rng rng_gsl yaml opt json csv file stats ui knapsack" "base"
public "graph cost onnx" "base graph"
public "space" "base graph space"
public "runtime infer_profile" "base graph runtime"
public "comm" "base comm"
public "data data_test" "base lathe/data.h"
public "supernet" "base graph space runtime comm supernet"
public "quant" "base graph runtime quant lathe/data.h"
public "deploy" "base graph deploy"
public "device" "base graph runtime device"
public "predictor latency_set" "base graph space predictor"
public "searcher" "base graph space search"
public "report" "base run"
verdict "every public header has its room in the list above" "$(for h in src/lathe/*.h; do
    name=$(basename "$h" .h)
    case $checked in *" $name "*) ;; *) echo "$h" ;; esac
done)"

# only PATTERN WHERE WHAT: the pattern (extended, in sources) appears nowhere but in files whose path matches WHERE.
only() {
    verdict "$3" "$(find src spaces devices predictors search -name '*.[ch]' -exec grep -HnE "$1" {} + | grep -vE "^($2)")"
}

include='^[[:space:]]*#[[:space:]]*include[[:space:]]*'
only "${include}[<\"]mpi\.h" 'src/comm/comm_mpi\.c:' "mpi.h only in src/comm/comm_mpi.c"
only "${include}[<\"](oneapi/)?(dnnl/)?dnnl[a-z_]*\.h" 'src/runtime/onednn/' "dnnl.h only in src/runtime/onednn"
only "${include}<yaml\.h>" 'src/base/yaml\.c:' "libyaml only in src/base/yaml.c"
only "${include}[<\"](protobuf-c/|.*\.pb-c\.h)" 'src/graph/onnx/' "protobuf-c only in src/graph/onnx"
only "${include}\"lathe/data_test\.h\"" 'src/run/final\.c:|src/supernet/data_test\.c:' \
    "the test part of a data set only in src/run/final.c (and where it is defined)"
only "${include}\"cli/" 'src/cli/' "nobody includes the command line"
only '(^|[^a-z_])(printf|vprintf|puts|putchar|perror) *\(|(^|[^a-zA-Z_])stdout([^a-zA-Z_]|$)' 'src/cli/' "only src/cli prints"
only '(^|[^a-z_])stderr([^a-zA-Z_]|$)' 'src/cli/|src/base/err\.c:|src/lathe/status\.h:' "only src/cli writes to stderr (and lt_bug before it aborts)"
only '(^|[^a-zA-Z_.])(exit|_exit|quick_exit|abort) *\(' 'src/cli/|src/base/err\.c:' "only src/cli exits (and lt_bug aborts)"
only '(^|[^a-zA-Z_>.])(malloc|calloc|realloc|aligned_alloc|posix_memalign|strdup|strndup|asprintf) *\(' 'src/base/mem\.c:' \
    "memory is taken only through lathe/mem.h"
only '(^|[^a-zA-Z_>.])(rand|srand|random|drand48|rand_r) *\(' 'none' "random numbers only through lathe/rng.h"
only '(^|[^a-zA-Z_>.])((fopen|fdopen) *\([^,]*, *"[^r"]|(freopen|creat|tmpfile|mkstemp) *\()' 'src/base/file_write\.c:' "files are written through lathe/file.h"

echo "1..$count"
