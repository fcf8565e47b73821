/*
 * The search engine with an evaluator that only waits: 5 to 50 ms, heavy-tailed (Pareto, exponent 1.5, cut at 50 ms),
 * its length drawn from the candidate alone. Parallel efficiency = waited in all / (ranks * wall time), ranks far more
 * than cores: once with the time that was wanted, which on a machine with other work also counts how late it wakes
 * sleepers, and once with the time between beginning and end of each evaluation: what is missing there is the engine's.
 * And what rank 0 itself spends on an evaluation (asking, telling, recording, messages).
 *
 *   bench_engine                 a table over 1 ... 64 ranks, each started with mpirun
 *   mpirun -n 8 bench_engine     one line
 */
#include "lathe/comm.h"
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "lathe/stats.h"
#include "run/engine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { EVALS_A_RANK = 200, MIN_EVALS = 400, AHEAD_A_RANK = 4, SEED = 3, MAX_RANKS = 1024 };

static double wait_of(const struct lt_space *s, const struct lt_arch *a) {
    struct lt_rng r;
    lt_rng_at(&r, SEED, LT_RNG_BENCH, 0, lt_arch_hash(s, a));
    return fmin(0.005 * pow(1 - lt_rng_u01(&r), -1 / 1.5), 0.05);
}

static lt_status cheap(void *arg, const struct lt_arch *a, int n, struct lt_scores *out, struct lt_err *e) {
    (void)arg;
    (void)a;
    (void)e;
    memset(out, 0, (size_t)n * sizeof(*out));
    return LT_OK;
}

/* Of one rank. */
struct work {
    const struct lt_space *space;
    double busy_s;
};

static lt_status evaluate(void *arg, const struct lt_arch *a, struct lt_scores *io, char why[LT_WHY_BYTES],
                          bool *abandoned, struct lt_err *e) {
    struct work *w = arg;
    double t = wait_of(w->space, a), began = lt_now_s();
    (void)why;
    (void)abandoned;
    (void)e;
    nanosleep(&(struct timespec){.tv_nsec = (long)(1e9 * t)}, NULL);
    w->busy_s += lt_now_s() - began;
    io->v[LT_SCORE_ACCURACY] = t;
    io->have[LT_SCORE_ACCURACY] = true;
    return LT_OK;
}

struct sum {
    double waited_s;
};
static void told(void *arg, const char *text, const struct lt_scores *s) {
    (void)text;
    ((struct sum *)arg)->waited_s += s->v[LT_SCORE_ACCURACY];
}

static lt_status one(struct lt_comm *c, const char *space_path, const char *dir, struct lt_err *e) {
    struct lt_space *space = NULL;
    struct lt_store *store = NULL;
    struct lt_searcher *x = NULL;
    struct lt_yaml *cfg = NULL;
    struct lt_engine_result res = {0};
    struct lt_goal goal = {.n_objectives = 1, .objective = {{LT_SCORE_ACCURACY, true}}};
    struct lt_probe probe = {.cheap = cheap};
    struct sum sum = {0};
    struct work work = {0};
    double busy[MAX_RANKS] = {0};
    size_t each[MAX_RANKS];
    char text[80];
    int n = EVALS_A_RANK * c->size > MIN_EVALS ? EVALS_A_RANK * c->size : MIN_EVALS;
    lt_status s = lt_space_load(space_path, &space, e);
    struct lt_search_env env = {
        .space = space, .goal = &goal, .probe = &probe, .seed = SEED, .ahead = AHEAD_A_RANK * c->size};
    snprintf(text, sizeof(text), "{name: random, samples: %d}", n);
    if (!s) s = lt_yaml_parse("bench", text, strlen(text), &cfg, e);
    if (!s) s = lt_searcher_open(cfg, &env, &x, e);
    if ((s = lt_comm_agree(c, s, e)) || (s = lt_store_open(dir, c, NULL, &store, e))) goto out;
    struct lt_engine_job job = {.space = space,
                                .goal = &goal,
                                .searcher = x,
                                .comm = c,
                                .store = store,
                                .type = "eval",
                                .what = "search",
                                .arg = &work,
                                .evaluate = evaluate,
                                .told = told,
                                .listener = &sum};
    work.space = space;
    lt_store_solo(store);
    double t = lt_now_s();
    if ((s = lt_engine_run(&job, &res, e))) goto out;
    t = lt_now_s() - t;
    for (int i = 0; i < c->size; i++) each[i] = sizeof(double);
    if ((s = lt_comm_allgatherv(c, &work.busy_s, sizeof(double), busy, each, e))) goto out;
    for (int i = 1; i < c->size; i++) busy[0] += busy[i];
    if (c->rank == 0)
        printf("%6d %12d %8d %10.2f %12.1f %% %8.1f %% %14.1f\n", c->size, res.told, AHEAD_A_RANK * c->size, t,
               100 * sum.waited_s / (c->size * t), 100 * busy[0] / (c->size * t), 1e6 * res.master_s / res.told);
out:
    lt_store_close(store);
    lt_searcher_close(x);
    lt_yaml_free(cfg);
    lt_space_free(space);
    return s;
}

static void all(const char *self) {
    char command[4096];
    printf("%6s %12s %8s %10s %14s %10s %14s\n", "ranks", "evaluations", "window", "wall, s", "efficiency", "busy",
           "rank 0, us");
    for (int n = 1; n <= 64; n *= 2) {
        fflush(stdout);
        snprintf(command, sizeof(command),
                 "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 "
                 "OMPI_MCA_hwloc_base_binding_policy=none mpirun -n %d '%s' --one",
                 n, self);
        if (n == 1) snprintf(command, sizeof(command), "'%s' --one", self);
        if (system(command)) {
            printf("%6d  not run: mpirun or a build with MPI is missing\n", n);
            break;
        }
    }
}

int main(int argc, char **argv) {
    struct lt_comm *c = NULL;
    struct lt_err e = {0};
    const char *src = getenv("LT_SRCDIR");
    char dir[] = "/tmp/lathe-bench-XXXXXX", space[4096];
    if (argc == 1 && !getenv("OMPI_COMM_WORLD_SIZE") && !getenv("PMI_SIZE")) {
        all(argv[0]);
        return 0;
    }
    snprintf(space, sizeof(space), "%s/spaces/mobile28.yaml", src ? src : LT_BENCH_SRCDIR);
    lt_status s = lt_comm_open("auto", &argc, &argv, &c, &e);
    if (s) {
        fprintf(stderr, "bench_engine: %s\n", e.msg);
        return 1;
    }
    if (c->rank == 0 && !mkdtemp(dir)) s = lt_fail(&e, LT_EIO, "no folder in /tmp");
    if (!(s = lt_comm_agree(c, s, &e))) s = one(c, space, dir, &e);
    if (c->rank == 0) {
        char command[128];
        snprintf(command, sizeof(command), "rm -rf '%s'", dir);
        if (system(command)) fprintf(stderr, "bench_engine: %s is left\n", dir);
        if (s) fprintf(stderr, "bench_engine: %s\n", e.msg);
    }
    lt_comm_close(c);
    return s != LT_OK;
}
