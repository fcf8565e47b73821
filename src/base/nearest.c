/* Base room: the known word nearest to a misspelt one (Damerau-Levenshtein distance, adjacent transpositions count
 * one). */
#include <string.h>

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
