/*
 * Batch norm, affine, sums and products by channel: every table against plain loops, and plain loops against finite
 * differences. Tolerances are f32 rounding: relative to the magnitude of each result (1e-5) unless said otherwise at
 * the check.
 */
#include "t_kernels.h"

static const struct {
    int64_t rows;
    int c;
} shapes[] = {{1, 1},    {1, 16},  {5, 3},    {7, 8},   {300, 13}, {257, 24},
              {513, 16}, {64, 96}, {49, 161}, {700, 5}, {1000, 1}, {30, 130}};
enum { N_SHAPES = sizeof(shapes) / sizeof(*shapes) };

static const struct lt_kernels *table(int k) { return lt_kernels_named(vector_table[k]); }

/* rows x c numbers, channel j with its own mean and spread; several channels with |mean| >> sd */
static struct vec activations(int64_t rows, int c, uint64_t item) {
    struct vec x = vec_random(rows * c, item);
    for (int64_t i = 0; i < x.n; i++) {
        int ch = (int)(i % c);
        x.v[i] = x.v[i] * (1 + 0.3f * (float)(ch % 5)) + (ch % 4 == 3 ? 300.0f : 0.5f * (float)(ch % 3));
    }
    return x;
}

static void stats(int k) {
    int bad = 0;
    for (int s = 0; s < N_SHAPES; s++) {
        int64_t rows = shapes[s].rows;
        int c = shapes[s].c;
        struct vec x = activations(rows, c, 1), m = vec_new(c), v = vec_new(c), mean = vec_new(c), var = vec_new(c),
                   rstd = vec_new(c);
        lt_kernels_reference()->bn_stats(x.v, rows, c, mean.v, var.v);
        table(k)->bn_stats(x.v, rows, c, m.v, v.v);
        for (int i = 0; i < c; i++)
            /* mean: rounding of partial sums around the shift, of the size of sd; variance: no cancellation although
             * mean^2 is up to 90000 times it */
            bad += !(fabs(m.v[i] - mean.v[i]) <= 1e-6 * (sqrt(var.v[i]) + fabs(mean.v[i]))) ||
                   !(fabs(v.v[i] - var.v[i]) <= 1e-5 * var.v[i] + 1e-9);
        bad += m.v[c] != guard || v.v[c] != guard;
        lt_bn_rstd(var.v, c, 1e-5f, rstd.v);
        for (int i = 0; i < c; i++) bad += !(fabs(rstd.v[i] * sqrt(var.v[i] + 1e-5) - 1) < 1e-6);
        struct vec *all[] = {&x, &m, &v, &mean, &var, &rstd};
        for (int i = 0; i < 6; i++) vec_free(all[i]);
    }
    lt_ok(!bad, "%s: mean and variance equal two passes in double, |mean| >> sd too (%d differ)", vector_table[k], bad);
}

/* Largest |a - b| over the larger of 1 and the magnitude of b. */
static double distance(struct vec a, struct vec b) {
    double worst = 0;
    for (int64_t i = 0; i < a.n; i++) {
        double d = fabs((double)a.v[i] - b.v[i]) / fmax(1, fabs((double)b.v[i]));
        worst = d > worst || d != d ? d : worst;
    }
    return a.v[a.n] == guard ? worst : 1e9;
}

/* Pre-activations within this of a kink may fall on either side of it: x is kept away from there, so that derivatives
 * agree. */
static bool near_kink(double pre) {
    static const double kink[] = {-3, 0, 3, 6};
    for (int i = 0; i < 4; i++)
        if (fabs(pre - kink[i]) < 1e-3) return true;
    return false;
}

struct bn_case {
    struct lt_bn b;
    struct vec x, res, dy, mean, rstd, gamma, beta;
};

static struct bn_case bn_new(int64_t rows, int c, enum lt_act act, bool fixed) {
    struct bn_case t = {.x = vec_random(rows * c, 31),
                        .res = vec_random(rows * c, 32),
                        .dy = vec_random(rows * c, 33),
                        .mean = vec_new(c),
                        .rstd = vec_new(c),
                        .gamma = vec_random(c, 34),
                        .beta = vec_random(c, 35)};
    lt_kernels_reference()->bn_stats(t.x.v, rows, c, t.mean.v, t.rstd.v);
    lt_bn_rstd(t.rstd.v, c, 1e-2f, t.rstd.v);
    for (int ch = 0; ch < c; ch++) t.gamma.v[ch] = 1 + fabsf(t.gamma.v[ch]);
    for (int64_t i = 0; i < t.x.n; i++) {
        int64_t ch = i % c;
        while (near_kink((double)t.gamma.v[ch] * (t.x.v[i] - t.mean.v[ch]) * t.rstd.v[ch] + t.beta.v[ch]))
            t.x.v[i] += 5e-3f;
    }
    t.b = (struct lt_bn){.rows = rows,
                         .c = c,
                         .act = act,
                         .fixed = fixed,
                         .mean = t.mean.v,
                         .rstd = t.rstd.v,
                         .gamma = t.gamma.v,
                         .beta = t.beta.v};
    return t;
}

static void bn_free(struct bn_case *t) {
    struct vec *all[] = {&t->x, &t->res, &t->dy, &t->mean, &t->rstd, &t->gamma, &t->beta};
    for (int i = 0; i < 7; i++) vec_free(all[i]);
}

static void batch_norm(int k) {
    const struct lt_kernels *f = table(k), *r = lt_kernels_reference();
    double worst[3] = {0};
    int unequal = 0;
    for (int s = 0; s < N_SHAPES; s++)
        for (int a = 0; a < LT_N_ACTS; a++)
            for (int fixed = 0; fixed < 2; fixed++) {
                int64_t rows = shapes[s].rows;
                int c = shapes[s].c;
                struct bn_case t = bn_new(rows, c, (enum lt_act)a, fixed);
                struct vec y = vec_new(t.x.n), want = vec_new(t.x.n), dg = vec_new(c), db = vec_new(c),
                           dg2 = vec_new(c), db2 = vec_new(c), in = vec_copy(t.dy);
                const float *res = fixed ? t.res.v : NULL;
                r->bn_forward(&t.b, t.x.v, res, want.v);
                f->bn_forward(&t.b, t.x.v, res, y.v);
                worst[0] = fmax(worst[0], distance(y, want));
                struct vec over = vec_copy(t.x);
                f->bn_forward(&t.b, over.v, res, over.v);
                unequal += !vec_same(over, y);
                r->bn_backward(&t.b, t.x.v, t.dy.v, want.v, dg2.v, db2.v);
                f->bn_backward(&t.b, t.x.v, t.dy.v, y.v, dg.v, db.v);
                worst[1] = fmax(worst[1], distance(y, want));
                /* sums of `rows` terms: relative to their root */
                for (int i = 0; i < c; i++)
                    worst[2] = fmax(worst[2], fmax(fabs(dg.v[i] - dg2.v[i]), fabs(db.v[i] - db2.v[i])) /
                                                  fmax(1, sqrt((double)rows)));
                f->bn_backward(&t.b, t.x.v, in.v, in.v, dg.v, db.v);
                unequal += !vec_same(in, y) || dg.v[c] != guard || db.v[c] != guard;
                struct vec *all[] = {&y, &want, &dg, &db, &dg2, &db2, &in, &over};
                for (int i = 0; i < 8; i++) vec_free(all[i]);
                bn_free(&t);
            }
    lt_ok(worst[0] < 1e-5, "%s: batch norm + activation + residual forward (worst %g)", vector_table[k], worst[0]);
    lt_ok(worst[1] < 2e-5 && worst[2] < 2e-5, "%s: batch norm + activation backward (worst dx %g, parameters %g)",
          vector_table[k], worst[1], worst[2]);
    lt_ok(!unequal, "%s: batch norm in place gives the same bits", vector_table[k]);
}

static void affine(int k) {
    const struct lt_kernels *f = table(k), *r = lt_kernels_reference();
    double worst = 0, worst_sum = 0;
    for (int s = 0; s < N_SHAPES; s++)
        for (int a = 0; a < LT_N_ACTS; a++) {
            int64_t rows = shapes[s].rows;
            int c = shapes[s].c;
            struct vec x = vec_random(rows * c, 41), scale = vec_random(c, 42), shift = vec_random(c, 43),
                       res = vec_random(rows * c, 44), y = vec_new(x.n), want = vec_new(x.n);
            for (int parts = 0; parts < 8; parts++) {
                const float *sc = parts & 1 ? scale.v : NULL, *sh = parts & 2 ? shift.v : NULL,
                            *re = parts & 4 ? res.v : NULL;
                r->affine(x.v, rows, c, sc, sh, (enum lt_act)a, re, want.v);
                f->affine(x.v, rows, c, sc, sh, (enum lt_act)a, re, y.v);
                worst = fmax(worst, distance(y, want));
            }
            struct vec sum = vec_copy(shift), sum2 = vec_copy(shift);
            r->column_sums(x.v, rows, c, sum.v);
            f->column_sums(x.v, rows, c, sum2.v);
            for (int i = 0; i < c; i++)
                worst_sum = fmax(worst_sum, fabs(sum.v[i] - sum2.v[i]) / fmax(1, sqrt((double)rows)));
            struct vec *all[] = {&x, &scale, &shift, &res, &y, &want, &sum, &sum2};
            for (int i = 0; i < 8; i++) vec_free(all[i]);
        }
    lt_ok(worst < 1e-5, "%s: scale, shift, activation, residual in every combination (worst %g)", vector_table[k],
          worst);
    lt_ok(worst_sum < 2e-6, "%s: column sums are added (worst %g)", vector_table[k], worst_sum);
}

static void products_and_averages(int k) {
    const struct lt_kernels *f = table(k), *r = lt_kernels_reference();
    double worst = 0;
    for (int s = 0; s < N_SHAPES; s++) {
        int64_t hw = shapes[s].rows;
        int c = shapes[s].c, n = 2;
        struct vec x = vec_random(n * hw * c, 51), g = vec_random(n * hw * c, 52), sc = vec_random(n * c, 53),
                   a = vec_new(x.n), b = vec_new(x.n), p = vec_new(sc.n), q = vec_new(sc.n);
        r->mul_forward(x.v, sc.v, n, hw, c, a.v);
        f->mul_forward(x.v, sc.v, n, hw, c, b.v);
        worst = fmax(worst, distance(b, a));
        r->mul_backward(x.v, sc.v, g.v, n, hw, c, a.v, p.v);
        f->mul_backward(x.v, sc.v, g.v, n, hw, c, b.v, q.v);
        worst = fmax(worst, distance(b, a));
        for (int i = 0; i < n * c; i++) /* sums of hw terms: relative to their root */
            worst = fmax(worst, fabs(q.v[i] - p.v[i]) / sqrt((double)hw));
        r->gap_forward(x.v, n, hw, c, p.v);
        f->gap_forward(x.v, n, hw, c, q.v);
        worst = fmax(worst, distance(q, p));
        r->gap_backward(p.v, n, hw, c, a.v);
        f->gap_backward(p.v, n, hw, c, b.v);
        worst = fmax(worst, distance(b, a));
        struct vec *all[] = {&x, &g, &sc, &a, &b, &p, &q};
        for (int i = 0; i < 7; i++) vec_free(all[i]);
    }
    lt_ok(worst < 1e-5, "%s: squeeze-excite product and global average, both ways (worst %g)", vector_table[k], worst);
}

/* sum of y * dy with statistics recomputed from x, in double, independent of the kernels but for the activation */
static double bn_loss(const struct bn_case *t) {
    const int64_t rows = t->b.rows, c = t->b.c;
    double loss = 0;
    for (int64_t ch = 0; ch < c; ch++) {
        double m = 0, v = 0;
        for (int64_t r = 0; r < rows; r++) m += t->x.v[r * c + ch] / (double)rows;
        for (int64_t r = 0; r < rows; r++) v += (t->x.v[r * c + ch] - m) * (t->x.v[r * c + ch] - m) / (double)rows;
        for (int64_t r = 0; r < rows; r++) {
            double p = t->gamma.v[ch] * (t->x.v[r * c + ch] - m) / sqrt(v + 1e-2) + t->beta.v[ch], y = p;
            switch (t->b.act) {
            case LT_ACT_RELU:
                y = p > 0 ? p : 0;
                break;
            case LT_ACT_RELU6:
                y = p < 0 ? 0 : p > 6 ? 6 : p;
                break;
            case LT_ACT_HSWISH:
                y = p * (p < -3 ? 0 : p > 3 ? 6 : p + 3) / 6;
                break;
            case LT_ACT_HSIGMOID:
                y = (p < -3 ? 0 : p > 3 ? 6 : p + 3) / 6;
                break;
            case LT_ACT_SIGMOID:
                y = 1 / (1 + exp(-p));
                break;
            case LT_ACT_SILU:
                y = p / (1 + exp(-p));
                break;
            case LT_ACT_TANH:
                y = tanh(p);
                break;
            case LT_ACT_GELU:
                y = 0.5 * p * erfc(-p / sqrt(2));
                break;
            default:
                break;
            }
            loss += y * t->dy.v[r * c + ch];
        }
    }
    return loss;
}

/* Central differences with step h: error h^2 f''' / 6 and rounding of x + h to f32; pre-activations stay off the kinks.
 */
static void gradients_are_differences(void) {
    for (int a = 0; a < LT_N_ACTS; a++) {
        struct bn_case t = bn_new(9, 3, (enum lt_act)a, false);
        lt_kernels_reference()->bn_stats(t.x.v, 9, 3, t.mean.v, t.rstd.v);
        lt_bn_rstd(t.rstd.v, 3, 1e-2f, t.rstd.v);
        struct vec dx = vec_new(t.x.n), dg = vec_new(3), db = vec_new(3), at[] = {t.x, t.gamma, t.beta},
                   grad[] = {dx, dg, db};
        double worst = 0;
        lt_kernels_reference()->bn_backward(&t.b, t.x.v, t.dy.v, dx.v, dg.v, db.v);
        for (int part = 0; part < 3; part++)
            for (int64_t i = 0; i < at[part].n; i++) {
                volatile float *p = &at[part].v[i];
                float keep = *p;
                *p = keep + 1e-4f;
                double up = bn_loss(&t), x1 = *p;
                *p = keep - 1e-4f;
                double down = bn_loss(&t), x0 = *p;
                *p = keep;
                worst = fmax(worst, fabs((up - down) / (x1 - x0) - grad[part].v[i]));
            }
        lt_ok(worst < 2e-5, "batch norm + %s: dx, dgamma, dbeta equal central differences (worst %g)",
              lt_act_name((enum lt_act)a), worst);
        vec_free(&dx);
        vec_free(&dg);
        vec_free(&db);
        bn_free(&t);
    }
}

int main(void) {
    lt_note("seed %d", SEED);
    gradients_are_differences();
    for (int k = 0; k < N_VECTOR_TABLES; k++) {
        if (!table(k)) {
            lt_skip("%s: not on this CPU", vector_table[k]);
            continue;
        }
        stats(k);
        batch_norm(k);
        affine(k);
        products_and_averages(k);
    }
    return lt_done();
}
