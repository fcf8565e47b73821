/*
 * Depthwise convolution: every table against plain loops in all three directions, borders of every kind; plain loops
 * against finite differences. Tolerance: f32 rounding of a sum of T terms, relative to the sum of their magnitudes:
 * below T * 2^-24, in practice near sqrt(T) * 2^-24; T <= 49 for forward and data gradient (2e-6), <= 784 and one sum
 * per sample for the weight gradient (1e-5).
 */
#include "t_kernels.h"

struct shape {
    int n, h, w, c;
};
static const struct shape shapes[] = {
    {2, 1, 1, 1},    {1, 1, 1, 16},   {2, 2, 3, 3},    {1, 1, 9, 8},    {1, 9, 1, 24},   {2, 3, 2, 24},
    {1, 4, 4, 13},   {1, 5, 6, 32},   {2, 6, 5, 96},   {3, 7, 7, 96},   {1, 7, 7, 160},  {1, 8, 9, 17},
    {2, 9, 8, 40},   {1, 10, 10, 16}, {1, 11, 13, 24}, {1, 12, 12, 31}, {1, 13, 11, 16}, {2, 14, 14, 16},
    {1, 14, 14, 24}, {1, 15, 17, 16}, {1, 20, 19, 8},  {1, 24, 25, 16}, {1, 28, 28, 24}, {1, 3, 29, 48}};
static const int kernels[][2] = {{3, 1}, {5, 1}, {7, 1}, {3, 2}, {5, 2}, {7, 2},
                                 {1, 1}, {2, 1}, {4, 2}, {3, 3}, {9, 1}};

struct dw_case {
    struct lt_window d;
    struct vec x, w, b, dy, gp, y, dx, y_mag, dx_mag, gp_mag, gp0;
};

static void reference(struct dw_case *t) {
    const struct lt_kernels *r = lt_kernels_reference();
    struct vec ax = vec_abs(t->x), aw = vec_abs(t->w), ab = vec_abs(t->b), ady = vec_abs(t->dy);
    t->gp_mag = vec_abs(t->gp0);
    t->gp = vec_copy(t->gp0);
    r->dw_forward(&t->d, t->x.v, t->w.v, t->b.v, LT_ACT_NONE, t->y.v);
    r->dw_backward_data(&t->d, t->dy.v, t->w.v, t->dx.v);
    r->dw_backward_weights(&t->d, t->x.v, t->dy.v, t->gp.v);
    r->dw_forward(&t->d, ax.v, aw.v, ab.v, LT_ACT_NONE, t->y_mag.v);
    r->dw_backward_data(&t->d, ady.v, aw.v, t->dx_mag.v);
    r->dw_backward_weights(&t->d, ax.v, ady.v, t->gp_mag.v);
    vec_free(&ax);
    vec_free(&aw);
    vec_free(&ab);
    vec_free(&ady);
}

static int compare(const struct lt_kernels *k, struct dw_case *t) {
    struct vec y = vec_new(t->y.n), dx = vec_new(t->dx.n), gp = vec_copy(t->gp0), y2 = vec_new(t->y.n),
               want = vec_copy(t->y);
    int bad = 0;
    k->dw_forward(&t->d, t->x.v, t->w.v, t->b.v, LT_ACT_NONE, y.v);
    k->dw_backward_data(&t->d, t->dy.v, t->w.v, dx.v);
    k->dw_backward_weights(&t->d, t->x.v, t->dy.v, gp.v);
    bad += !vec_near(y, t->y, t->y_mag.v, 2e-6) + !vec_near(dx, t->dx, t->dx_mag.v, 2e-6) +
           !vec_near(gp, t->gp, t->gp_mag.v, 1e-5);
    k->dw_forward(&t->d, t->x.v, t->w.v, t->b.v, LT_ACT_NONE, y2.v);
    bad += !vec_same(y, y2);
    /* the fused activation is the plain one of the same table, up to rounding */
    for (int a = 0; a < LT_N_ACTS; a++) {
        k->dw_forward(&t->d, t->x.v, t->w.v, t->b.v, (enum lt_act)a, y2.v);
        lt_kernels_reference()->act_forward((enum lt_act)a, y.v, y.n, want.v);
        bad += !vec_near(y2, want, NULL, 4e-6);
    }
    k->dw_forward(&t->d, t->x.v, t->w.v, NULL, LT_ACT_NONE, y2.v);
    for (int64_t i = 0; i < y2.n; i++) y2.v[i] += t->b.v[i % t->d.c];
    bad += !vec_near(y2, t->y, t->y_mag.v, 2e-6);
    if (bad)
        lt_note("%s: n %d h %d w %d c %d kernel %d stride %d pad %d: %d differ", k->name, t->d.n, t->d.h, t->d.w,
                t->d.c, t->d.kernel, t->d.stride, t->d.pad, bad);
    vec_free(&y);
    vec_free(&dx);
    vec_free(&gp);
    vec_free(&y2);
    vec_free(&want);
    return bad;
}

static void against_plain_loops(void) {
    for (size_t i = 0; i < sizeof(kernels) / sizeof(*kernels); i++) {
        const int K = kernels[i][0], S = kernels[i][1];
        int bad[N_VECTOR_TABLES] = {0}, count = 0;
        for (size_t j = 0; j < sizeof(shapes) / sizeof(*shapes); j++)
            for (int p = 0; p < 4; p++) {
                const struct shape *s = &shapes[j];
                const int pad = p == 0 ? K / 2 : p == 1 ? 0 : p == 2 ? K - 1 : K + 1;
                struct dw_case t = {.d = {.n = s->n,
                                          .h = s->h,
                                          .w = s->w,
                                          .c = s->c,
                                          .oh = (s->h + 2 * pad - K) / S + 1,
                                          .ow = (s->w + 2 * pad - K) / S + 1,
                                          .kernel = K,
                                          .stride = S,
                                          .pad = pad}};
                if (s->h + 2 * pad < K || s->w + 2 * pad < K || (p && s->h * s->w * s->c > 8000)) continue;
                int64_t in = (int64_t)s->n * s->h * s->w * s->c, out = (int64_t)s->n * t.d.oh * t.d.ow * s->c;
                t.x = vec_random(in, 1);
                t.w = vec_random(K * K * s->c, 2);
                t.b = vec_random(s->c, 3);
                t.dy = vec_random(out, 4);
                t.gp0 = vec_random(K * K * s->c, 5);
                t.y = vec_new(out);
                t.y_mag = vec_new(out);
                t.dx = vec_new(in);
                t.dx_mag = vec_new(in);
                reference(&t);
                for (int k = 0; k < N_VECTOR_TABLES; k++)
                    if (lt_kernels_named(vector_table[k])) bad[k] += compare(lt_kernels_named(vector_table[k]), &t);
                count++;
                struct vec *all[] = {&t.x,  &t.w,     &t.b,      &t.dy,     &t.gp, &t.y,
                                     &t.dx, &t.y_mag, &t.dx_mag, &t.gp_mag, &t.gp0};
                for (size_t v = 0; v < sizeof(all) / sizeof(*all); v++) vec_free(all[v]);
            }
        for (int k = 0; k < N_VECTOR_TABLES; k++)
            if (lt_kernels_named(vector_table[k]))
                lt_ok(!bad[k] && count > 20, "%s: depthwise %dx%d stride %d equals plain loops on %d shapes",
                      vector_table[k], K, K, S, count);
            else
                lt_skip("%s: not on this CPU", vector_table[k]);
    }
}

static double loss(const struct lt_window *d, struct vec x, struct vec w, struct vec dy) {
    struct vec y = vec_new(dy.n);
    double s = 0;
    lt_kernels_reference()->dw_forward(d, x.v, w.v, NULL, LT_ACT_NONE, y.v);
    for (int64_t i = 0; i < y.n; i++) s += (double)y.v[i] * dy.v[i];
    vec_free(&y);
    return s;
}

/* The loss is linear in x and in w: a central difference of any step is exact up to f32 rounding of y. */
static void gradients_are_differences(void) {
    for (int S = 1; S <= 2; S++) {
        const struct lt_window d = {.n = 2,
                                    .h = 6,
                                    .w = 5,
                                    .c = 3,
                                    .oh = (6 - 1) / S + 1,
                                    .ow = (5 - 1) / S + 1,
                                    .kernel = 5,
                                    .stride = S,
                                    .pad = 2};
        struct vec x = vec_random(2 * 6 * 5 * 3, 11), w = vec_random(25 * 3, 12),
                   dy = vec_random(2 * d.oh * d.ow * 3, 13), dx = vec_new(x.n), gp = vec_new(w.n);
        double worst = 0;
        memset(gp.v, 0, (size_t)gp.n * sizeof(float));
        lt_kernels_reference()->dw_backward_data(&d, dy.v, w.v, dx.v);
        lt_kernels_reference()->dw_backward_weights(&d, x.v, dy.v, gp.v);
        for (int part = 0; part < 2; part++) {
            struct vec v = part ? w : x, g = part ? gp : dx;
            for (int64_t i = 0; i < v.n; i++) {
                float keep = v.v[i];
                v.v[i] = keep + 0.5f;
                double up = loss(&d, x, w, dy);
                v.v[i] = keep - 0.5f;
                double down = loss(&d, x, w, dy);
                v.v[i] = keep;
                worst = fmax(worst, fabs(up - down - g.v[i]));
            }
        }
        lt_ok(worst < 1e-4, "stride %d: gradients of plain loops equal central differences (worst %g)", S, worst);
        vec_free(&x);
        vec_free(&w);
        vec_free(&dy);
        vec_free(&dx);
        vec_free(&gp);
    }
}

static void packing(void) {
    struct vec w = vec_random(13 * 25, 21), p = vec_new(w.n), back = vec_copy(w);
    bool ok = true;
    lt_dw_pack(w.v, 13, 5, p.v);
    for (int c = 0; c < 13; c++)
        for (int t = 0; t < 25; t++) ok &= p.v[t * 13 + c] == w.v[c * 25 + t];
    lt_ok(ok, "pack turns [C,K,K] into [K*K][C]");
    lt_dw_unpack_add(p.v, 13, 5, back.v);
    for (int64_t i = 0; i < w.n; i++) ok &= back.v[i] == 2 * w.v[i];
    lt_ok(ok, "unpack_add adds what pack took");
    vec_free(&w);
    vec_free(&p);
    vec_free(&back);
}

static void choice(void) {
    lt_ok(lt_kernels_named("generic") && lt_kernels_named("reference") == lt_kernels_reference(),
          "generic and reference run everywhere");
    lt_ok(!lt_kernels_named("nonsense"), "an unknown name gives nothing");
    lt_ok(lt_kernels_best() == lt_kernels_named(lt_kernels_best()->name) &&
              strcmp(lt_kernels_best()->name, "reference"),
          "the best table is a vector table that this CPU runs (%s)", lt_kernels_best()->name);
}

int main(void) {
    lt_note("seed %d", SEED);
    choice();
    packing();
    gradients_are_differences();
    against_plain_loops();
    return lt_done();
}
