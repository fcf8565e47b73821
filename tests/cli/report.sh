#!/bin/sh
# The page of a run: one file that needs nothing else, made again from summary.json byte for byte, whatever texts the summary holds.
. "${LT_SRCDIR:-$(dirname "$0")/../..}/tests/cli/tap.sh"

page=$tmp/r/report.html
template=$LT_SRCDIR/src/run/report_page.html
cd "$tmp" || exit 99
code 0 "a run" "$lathe" run "$mini" -o "$tmp/r"
[ -s "$page" ]
ok $? "wrote report.html"
! grep -q -e '@DATA@' -e '@CHARTJS@' "$page"
ok $? "both marks are filled in"

# The data, unescaped; they stand alone in their element.
data_of() {
    awk -v start='<script type="application/json" id="data">' '
        { at = index($0, start) }
        at { on = 1; $0 = substr($0, at + length(start)) }
        on { at = index($0, "</script>"); if (at) { print substr($0, 1, at - 1); exit } print }' "$1" | sed 's/\\u003c/</g'
}
# Nothing but Chart.js' own text (one element, of one or more lines) may name another place.
without_library() {
    awk 'index($0, "<script>") == 1 && !index($0, "</script>") && !seen { seen = skipping = 1 }
        index($0, "<script>") == 1 && index($0, "</script>") && !seen { seen = 1; next }
        !skipping { print }
        skipping && index($0, "</script>") { skipping = 0 }' "$1"
}
# ends FILE: how often a script element ends in it.
ends() { grep -o -i '</script' "$1" | wc -l; }

without_library "$page" > "$tmp/own"
grep -q 'id="data"' "$tmp/own" && grep -q 'getElementById' "$tmp/own"
ok $? "the page's own text is found"
! grep -n -i -E "(src|href|action)=[\"']?(https?:)?//|@import|url\(|<link|fetch\(|XMLHttpRequest" "$tmp/own"
ok $? "it names no other file and no other place"
[ "$(ends "$page")" -eq "$(ends "$template")" ]
ok $? "as many script elements end as in the template"
data_of "$page" > "$tmp/data"
cmp "$tmp/data" "$tmp/r/summary.json" > "$tmp/cmp" 2>&1 || {
    # the element ends right behind the data, which end in a line feed
    printf '%s\n' "$(cat "$tmp/data")" | cmp - "$tmp/r/summary.json" > "$tmp/cmp" 2>&1
}
ok $? "its data are summary.json" "$tmp/cmp"
if "${LT_PYTHON-python3}" -c 'import json' 2> /dev/null; then
    cat > "$tmp/parse.py" <<'END'
import html.parser, json, sys

class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.scripts, self.on = [], False
    def handle_starttag(self, tag, attrs):
        if tag == "script":
            self.on = True
            self.scripts.append([dict(attrs), ""])
    def handle_endtag(self, tag):
        if tag == "script":
            self.on = False
    def handle_data(self, text):
        if self.on:
            self.scripts[-1][1] += text

page = Page()
page.feed(open(sys.argv[1], encoding="utf-8").read())
found = [text for attrs, text in page.scripts if attrs.get("id") == "data"]
want = json.load(open(sys.argv[2], encoding="utf-8"))
sys.exit(0 if len(page.scripts) == 3 and len(found) == 1 and json.loads(found[0]) == want else 1)
END
    "${LT_PYTHON-python3}" "$tmp/parse.py" "$page" "$tmp/r/summary.json" 2> "$tmp/err"
    ok $? "an HTML reader finds three script elements, and in one of them the JSON of summary.json" "$tmp/err"
    python=yes
else
    skip "python3 was not found"
    python=
fi

cp "$page" "$tmp/first.html"
rm "$page"
code 0 "lathe report" "$lathe" report "$tmp/r"
says "$tmp/out" "report.html" "says where the page is"
cmp "$tmp/first.html" "$page"
ok $? "it is the same page, byte for byte"

# A text that would end the element, or open a comment in it.
cp "$tmp/r/summary.json" "$tmp/summary.kept"
for text in '</script>' '</script><script>alert(1)</script>' '</SCRIPT >' '<!-- <script>' '<'; do
    sed "s|\"arch\":\"tiny:|\"arch\":\"$text tiny:|" "$tmp/summary.kept" > "$tmp/r/summary.json"
    grep -q -F -e "$text" "$tmp/r/summary.json"
    ok $? "a summary can hold '$text'"
    code 0 "a summary with '$text'" "$lathe" report "$tmp/r"
    [ "$(ends "$page")" -eq "$(ends "$template")" ] && [ "$(grep -c -F '<!--' "$tmp/own")" -eq "$(without_library "$page" | grep -c -F '<!--')" ]
    ok $? "'$text' does not get out of its element"
    if [ -n "$python" ]; then
        "${LT_PYTHON-python3}" "$tmp/parse.py" "$page" "$tmp/r/summary.json" 2> "$tmp/err"
        ok $? "'$text' is read back" "$tmp/err"
    else
        skip "python3 was not found"
    fi
done

# Summaries that are missing or broken: the file is named, and the old page stays.
cp "$tmp/summary.kept" "$tmp/r/summary.json"
code 0 "the page as it was" "$lathe" report "$tmp/r"
# broken NAME: summary.json, as it is now, is refused.
broken() {
    "$lathe" report "$tmp/r" > "$tmp/out" 2> "$tmp/err"
    status=$?
    [ $status -eq 1 ] || [ $status -eq 2 ]
    ok $? "$1: exit 1 or 2, not $status" "$tmp/err"
    says "$tmp/err" "$tmp/r/summary.json" "$1: the file is named"
    cmp -s "$tmp/first.html" "$page"
    ok $? "$1: the old page stays"
}
rm "$tmp/r/summary.json"
broken "a missing summary"
head -c 1000 "$tmp/summary.kept" > "$tmp/r/summary.json"
broken "a torn summary"
: > "$tmp/r/summary.json"
broken "an empty summary"
echo '[1, 2]' > "$tmp/r/summary.json"
broken "a list"
echo '{"schema": 1}' > "$tmp/r/summary.json"
broken "the JSON of something else"
code 2 "no folder" "$lathe" report
finish
