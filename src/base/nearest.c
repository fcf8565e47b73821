/* Base room: choosing by name, and the known word nearest to a misspelt one (Damerau-Levenshtein distance, adjacent
 * transpositions count one). */
#include <string.h>

#include "lathe/buf.h"
#include "lathe/yaml.h"

enum { MAX_WORD = 63 };

static int min3(int a, int b, int c) { return a < b ? (a < c ? a : c) : b < c ? b : c; }

static int distance(const char *a, const char *b) {
    int la = (int)strlen(a), lb = (int)strlen(b), row[3][MAX_WORD + 2];
    if (la > MAX_WORD || lb > MAX_WORD) return MAX_WORD;
    for (int j = 0; j <= lb; j++) row[0][j] = j;
    for (int i = 1; i <= la; i++) {
        int *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= lb; j++) {
            now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
    }
    return row[la % 3][lb];
}

const char *lt_nearest(const char *word, const char *const *names) {
    const char *best = NULL;
    int best_d = (int)strlen(word) / 2 + 1; /* must share more than half of its letters */
    if (best_d > 4) best_d = 4;
    for (int i = 0; names[i]; i++) {
        int d = distance(word, names[i]);
        if (d < best_d) best_d = d, best = names[i];
    }
    return best;
}

lt_status lt_yaml_pick(const struct lt_yaml *n, const char *what, const char *const *names, int *out,
                       struct lt_err *e) {
    struct lt_buf all = LT_BUF_INIT;
    lt_status s = lt_yaml_expect(n, LT_YAML_SCALAR, e);
    if (s) return s;
    for (int i = 0; names[i]; i++) {
        if (!strcmp(names[i], n->text)) {
            *out = i;
            return LT_OK;
        }
    }
    for (int i = 0; names[i]; i++) lt_buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
    const char *near = lt_nearest(n->text, names);
    if (!(s = lt_buf_ok(&all, e)))
        s = lt_yaml_fail(e, n, "unknown %s '%s'%s%s%s; there are %s", what, n->text, near ? ", did you mean '" : "",
                         near ? near : "", near ? "'" : "", all.data ? all.data : "none");
    lt_buf_release(&all);
    return s;
}
