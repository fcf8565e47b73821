/* What every search shares: evaluating a set of int8 layers on real images, judging it against f32 on the same images,
 * remembering. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "lathe/mem.h"
#include "quant/quant_priv.h"

double lt_quant_judged_drop(int64_t lost, int64_t won, int64_t n, double guard) {
    double d = (double)(lost - won), changed = (double)(lost + won);
    /* Variance of a sum of n independent -1, 0, +1 outcomes with these frequencies. */
    double var = changed - d * d / (double)n;
    return (d + guard * sqrt(fmax(var, 0))) / (double)n;
}

static int find_seen(const struct lt_qsearch *q, const uint8_t *on) {
    for (int i = 0; i < q->n_seen; i++)
        if (!memcmp(q->seen + (size_t)i * (size_t)q->n, on, (size_t)q->n)) return i;
    return -1;
}

static lt_status grow(struct lt_qsearch *q, struct lt_err *e) {
    if (q->n_seen < q->cap_seen) return LT_OK;
    int cap = q->cap_seen ? 2 * q->cap_seen : 32;
    uint8_t *seen = lt_realloc(q->seen, (size_t)cap * (size_t)(q->n > 0 ? q->n : 1));
    if (seen) q->seen = seen;
    struct lt_quant_eval *eval = lt_realloc(q->eval, (size_t)cap * sizeof(*eval));
    if (eval) q->eval = eval;
    if (!seen || !eval) return lt_fail(e, LT_ENOMEM, "quantization search: out of memory");
    q->cap_seen = cap;
    return LT_OK;
}

lt_status lt_qsearch_try(struct lt_qsearch *q, const uint8_t *on, bool *accepted, struct lt_err *e) {
    int known = find_seen(q, on), n_correct, n_int8 = 0;
    int64_t lost = 0, won = 0;
    double saved = 0;
    char note[96];
    lt_status s;
    if (known >= 0) {
        *accepted = q->eval[known].accepted;
        return LT_OK;
    }
    if (lt_ui_stop(q->ui)) return lt_fail(e, LT_EINTR, "interrupted during the search for a mixed-precision plan");
    if ((s = grow(q, e))) return s;
    for (int i = 0; i < q->n; i++) {
        n_int8 += on[i];
        saved += on[i] ? q->saved[i] : 0;
    }
    if ((s = q->run(q, on, &n_correct, e))) return s;
    for (int i = 0; i < q->n_images; i++) {
        lost += q->f32_correct[i] > q->correct[i];
        won += q->f32_correct[i] < q->correct[i];
    }
    double drop = lt_quant_judged_drop(lost, won, q->n_images, q->cfg->guard);
    bool ok = drop <= q->cfg->max_accuracy_drop + 1e-12;
    q->eval[q->n_seen] = (struct lt_quant_eval){.n_int8 = n_int8,
                                                .accuracy = (double)n_correct / q->n_images,
                                                .predicted_s = q->base_s - saved,
                                                .accepted = ok};
    memcpy(q->seen + (size_t)q->n_seen * (size_t)q->n, on, (size_t)q->n);
    q->n_seen++;
    if (ok && (!q->have_best || saved > q->best_saved || (saved == q->best_saved && n_correct > q->best_n_correct))) {
        memcpy(q->best, on, (size_t)q->n);
        q->have_best = true;
        q->best_saved = saved;
        q->best_n_correct = n_correct;
    }
    snprintf(note, sizeof(note), "%d of %d layers int8: accuracy drop %.2f%% judged as %.2f%%, %s", n_int8, q->n,
             100.0 * (double)(lost - won) / q->n_images, 100 * drop, ok ? "accepted" : "refused");
    lt_ui_say(q->ui, LT_UI_DEBUG, "quantize: %s", note);
    *accepted = ok;
    return LT_OK;
}

void lt_qsearch_release(struct lt_qsearch *q) {
    lt_free(q->seen);
    lt_free(q->eval);
    q->seen = NULL;
    q->eval = NULL;
    q->n_seen = q->cap_seen = 0;
}
