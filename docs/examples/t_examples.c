/* The worked examples of docs/adding-a-*.md really are plug-ins: each is driven through its table as the framework
 * would. */
#include <math.h>

#include "devices/devices.h"
#include "lathe/cost.h"
#include "lathe/mem.h"
#include "lathe/predictor.h"
#include "lathe/searcher.h"
#include "spaces/blocks.h"
#include "tests/tap.h"

extern const struct lt_block_ops lt_block_sepconv;
extern const struct lt_device_ops lt_device_permac;
extern const struct lt_predictor_ops lt_predictor_mean;
extern const struct lt_searcher_ops lt_searcher_walk;

static const char space_text[] =
    "schema: 1\nname: ex\ninput: {channels: 1, resolution: [8, 12, 16]}\nclasses: 4\n"
    "stages: [{name: a, block: conv, channels: [8, 16, 24], depth: [1, 2], kernel: [1, 3, 5]}]\n";

static struct lt_graph *block_graph(int kernel) {
    struct lt_graph *g = NULL;
    lt_graph_new("sep", &g, NULL);
    struct lt_block b = {.prefix = "s.b0",
                         .in = lt_graph_input(g, "image", 8, 10, 10),
                         .in_channels = 8,
                         .out_channels = 16,
                         .stride = 2,
                         .divisor = 8};
    b.v[0] = kernel;
    b.v[1] = LT_ACT_RELU;
    lt_graph_output(g, lt_block_sepconv.build(g, &b));
    struct lt_err e = {0};
    lt_ok(lt_graph_finish(g, &e) == LT_OK, "block builds with kernel %d: %s", kernel, e.msg);
    return g;
}

static lt_status cheap(void *arg, const struct lt_arch *a, int n, struct lt_scores *out, struct lt_err *e) {
    (void)e;
    for (int i = 0; i < n; i++) {
        double sum = 0;
        for (int k = 0; k < a[i].n; k++) sum += a[i].g[k];
        out[i] = (struct lt_scores){0};
        out[i].v[LT_SCORE_MACS] = sum;
        out[i].have[LT_SCORE_MACS] = true;
    }
    (void)arg;
    return LT_OK;
}

int main(void) {
    struct lt_err e = {0};
    struct lt_graph *g5 = block_graph(5), *g3 = block_graph(3);
    lt_ok(g5->node[g5->output].out.d[1] == 16 && g5->node[g5->output].out.d[2] == 5, "output is [1,16,5,5]");
    lt_ok(g3->n_params == g5->n_params && lt_graph_find_param(g3, "s.b0.dw.weight") >= 0,
          "same parameters with a smaller kernel");

    char state[256] = {0};
    struct lt_measurement m = {0};
    struct lt_measure_opt o = {.batch = 2};
    lt_ok(lt_device_permac.state_size <= sizeof state && lt_opts_default(lt_device_permac.opts, state, &e) == LT_OK,
          "device options");
    lt_ok(lt_device_permac.measure(state, g5, NULL, &o, &m, &e) == LT_OK, "device measures");
    struct lt_cost cost;
    lt_graph_cost(g5, NULL, &cost);
    lt_ok(fabs(m.median_s - 2e-9 * (double)cost.macs) < 1e-15, "time is 1 ns a multiply-add, twice for batch 2");
    lt_measurement_release(&m);
    lt_graph_free(g5);
    lt_graph_free(g3);

    struct lt_yaml *y = NULL;
    struct lt_space *s = NULL;
    lt_ok(lt_yaml_parse("example", space_text, sizeof space_text - 1, &y, &e) == LT_OK &&
              lt_space_parse_yaml(y, &s, &e) == LT_OK,
          "space: %s", e.msg);

    struct lt_arch a[3];
    const double t[3] = {1, 2, 6};
    double mean[3], sd[3], inflate = 2;
    void *p = NULL;
    for (int i = 0; i < 3; i++) lt_space_smallest(s, &a[i]);
    lt_ok(lt_predictor_mean.open(s, &inflate, 1, &p, &e) == LT_OK, "predictor opens");
    lt_ok(lt_predictor_mean.fit(p, a, t, 1, &e) == LT_EINVAL, "one measurement is refused");
    lt_ok(lt_predictor_mean.fit(p, a, t, 3, &e) == LT_OK && lt_predictor_mean.predict(p, a, 3, mean, sd, &e) == LT_OK,
          "fits and predicts");
    lt_ok(mean[2] == 3 && fabs(sd[0] - 2 * sqrt(7)) < 1e-12, "mean 3, twice the standard deviation");
    lt_predictor_mean.close(p);

    /* More of every gene is better, at most 6 in all: the walk has to climb to exactly 6. */
    struct lt_goal goal = {.n_objectives = 1,
                           .objective = {{LT_SCORE_ACCURACY, true}},
                           .n_constraints = 1,
                           .constraint = {{LT_SCORE_MACS, -INFINITY, 6}}};
    struct lt_probe probe = {.cheap = cheap};
    struct lt_search_env env = {.space = s, .goal = &goal, .probe = &probe, .seed = 7};
    int64_t rounds = 40;
    void *w = NULL;
    double best = -1;
    bool within = true;
    lt_ok(lt_searcher_walk.open(&env, &rounds, &w, &e) == LT_OK, "searcher opens, seed 7");
    for (int n = 1; n > 0;) {
        struct lt_arch asked[8];
        struct lt_scores sc[8];
        if (lt_searcher_walk.ask(w, 8, asked, &n, &e)) break;
        cheap(NULL, asked, n, sc, NULL);
        for (int i = 0; i < n; i++) {
            sc[i].v[LT_SCORE_ACCURACY] = sc[i].v[LT_SCORE_MACS];
            sc[i].have[LT_SCORE_ACCURACY] = true;
            within = within && sc[i].v[LT_SCORE_MACS] <= 6;
            best = fmax(best, sc[i].v[LT_SCORE_ACCURACY]);
        }
        lt_searcher_walk.tell(w, asked, sc, n, &e);
    }
    lt_ok(within, "never asks outside the constraint");
    lt_ok(best == 6, "climbs to the limit (%g)", best);
    lt_searcher_walk.close(w);
    lt_space_free(s);
    lt_yaml_free(y);
    return lt_done();
}
