/* Room: run. See final.h. A test holds that no other file includes lathe/data_test.h. */
#include "run/final.h"
#include "lathe/data_test.h"

#include <string.h>

struct job {
    struct lt_run *r;
    struct lt_final_row *row;
    const struct lt_data *test;
};

static lt_status evaluate_row(void *arg, int64_t i, void *out, struct lt_err *e) {
    struct job *j = arg;
    struct lt_run *r = j->r;
    struct lt_final_row row = j->row[i];
    struct lt_graph *g = NULL;
    struct lt_weights *w = NULL;
    struct lt_plan *plan = NULL;
    const struct lt_data *val = lt_data_validation(r->data);
    lt_status s = lt_run_subnet(r, &row.arch, &g, &w, e);
    if (!s && row.quantized) s = lt_run_deployed_plan(r, g, &plan, e);
    row.n_test = j->test->n;
    row.n_val = val->n < (int)r->x->train.eval_images ? val->n : (int)r->x->train.eval_images;
    if (!s) s = lt_evaluate_graph(r->backend, g, w, plan, j->test, row.n_test, &row.n_test_correct, NULL, NULL, e);
    if (!s) s = lt_evaluate_graph(r->backend, g, w, plan, val, row.n_val, &row.n_val_correct, NULL, NULL, e);
    memcpy(out, &row, sizeof(row));
    lt_plan_free(plan);
    lt_weights_free(w);
    lt_graph_free(g);
    return s;
}

lt_status lt_final_evaluate(struct lt_run *r, struct lt_final_row *row, int n, struct lt_err *e) {
    struct lt_data_set *test = NULL;
    struct lt_final_row got[LT_FINAL_MAX];
    lt_status s = lt_data_load_test(&r->x->data, r->x->seed, r->data, &test, e);
    if ((s = lt_comm_agree(r->comm, s, e))) goto out;
    struct job j = {.r = r, .row = row, .test = lt_data_test_part(test)};
    LT_CHECK(n <= LT_FINAL_MAX);
    if ((s = lt_comm_map(r->comm, n, got, sizeof(got[0]), evaluate_row, &j, e))) goto out;
    for (int i = 0; i < n; i++) { /* the texts inside are this rank's own, whoever computed the row */
        row[i].n_test = got[i].n_test;
        row[i].n_test_correct = got[i].n_test_correct;
        row[i].n_val = got[i].n_val;
        row[i].n_val_correct = got[i].n_val_correct;
    }
out:
    lt_data_free(test);
    return s;
}
