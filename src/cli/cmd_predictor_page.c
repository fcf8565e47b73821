/* Room: cli. The page of `lathe predictor eval --html`: table, scatter plots, calibration. */
#include "cli/cmd_predictor.h"
#include "cli/predictor_page.inc"
#include "lathe/json.h"
#include "run/page.h"

#include <stdio.h>

enum { MOST_POINTS = 1500 };

/* For central intervals of every width: how often the truth lies within. */
static void put_calibration(struct lt_jw *w, const struct lt_eval *v) {
    lt_jw_key(w, "calibration");
    lt_jw_arr(w);
    for (int k = 0; k <= LT_EVAL_LEVELS; k++) {
        lt_jw_arr(w);
        lt_jw_num(w, (double)k / LT_EVAL_LEVELS);
        lt_jw_num(w, v->calibration[k]);
        lt_jw_arr_end(w);
    }
    lt_jw_arr_end(w);
}

static void put_device(struct lt_jw *w, const struct predictor_result *r) {
    int step = (r->v.n_unseen + MOST_POINTS - 1) / MOST_POINTS;
    lt_jw_obj(w);
    lt_jw_kstr(w, "device", r->device);
    lt_jw_kint(w, "trials", r->v.trials);
    lt_jw_kint(w, "unseen", r->v.n_unseen);
    for (int m = 0; m < LT_N_EVAL; m++) {
        char key[40];
        snprintf(key, sizeof(key), "%s_sd", lt_eval_metric_name[m]);
        lt_jw_knum(w, lt_eval_metric_name[m], r->v.mean[m]);
        lt_jw_knum(w, key, r->v.sd[m]);
    }
    lt_jw_key(w, "points");
    lt_jw_arr(w);
    for (int i = 0; i < r->v.n_unseen; i += step) {
        lt_jw_arr(w);
        lt_jw_num(w, 1e3 * r->v.truth_s[i]);
        lt_jw_num(w, 1e3 * r->v.mean_s[i]);
        lt_jw_num(w, 1e3 * r->v.sd_s[i]);
        lt_jw_arr_end(w);
    }
    lt_jw_arr_end(w);
    put_calibration(w, &r->v);
    lt_jw_obj_end(w);
}

static void put_pair(struct lt_jw *w, const char *name, const char *text) {
    lt_jw_arr(w);
    lt_jw_str(w, name);
    lt_jw_str(w, text);
    lt_jw_arr_end(w);
}

static void put_provenance(struct lt_jw *w, const struct lt_predictor *p, const char *model,
                           const struct lt_eval_options *o) {
    struct lt_buf b = LT_BUF_INIT;
    lt_jw_key(w, "provenance");
    lt_jw_arr(w);
    put_pair(w, "model", model);
    put_pair(w, "method", lt_predictor_kind(p)->source);
    for (int i = 0; i < lt_predictor_n_devices(p); i++)
        lt_buf_printf(&b, "%s%s", i ? ", " : "", lt_predictor_device(p, i));
    put_pair(w, "trained on", b.len ? b.data : "no device");
    lt_buf_clear(&b);
    lt_buf_printf(&b, "%d trials, seed %llu, band from %g to %g of the latencies", o->trials,
                  (unsigned long long)o->seed, o->band[0], o->band[1]);
    put_pair(w, "evaluation", b.data);
    lt_jw_arr_end(w);
    lt_buf_release(&b);
}

lt_status predictor_page(const char *path, const struct lt_predictor *p, const char *model,
                         const struct lt_eval_options *o, const struct predictor_result *r, int n, bool *has_plots,
                         struct lt_err *e) {
    static const char *const choose[] = {"random", "proposed by the model", "the reference architectures"};
    struct lt_buf b = LT_BUF_INIT;
    struct lt_jw w;
    lt_status s;
    lt_jw_init(&w, &b);
    lt_jw_obj(&w);
    lt_jw_kint(&w, "schema", 1);
    lt_jw_kstr(&w, "method", lt_predictor_name(p));
    lt_jw_kstr(&w, "space", lt_space_name(lt_predictor_space(p)));
    lt_jw_kint(&w, "samples", o->samples);
    lt_jw_kstr(&w, "choose", choose[o->choose]);
    lt_jw_key(&w, "devices");
    lt_jw_arr(&w);
    for (int i = 0; i < n; i++) put_device(&w, &r[i]);
    lt_jw_arr_end(&w);
    put_provenance(&w, p, model, o);
    lt_jw_obj_end(&w);
    if (!(s = lt_buf_ok(&b, e))) s = lt_page_write(predictor_page_text, &b, path, has_plots, e);
    lt_buf_release(&b);
    return s;
}
