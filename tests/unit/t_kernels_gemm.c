/*
 * Matrix product of every table against plain loops; convolution through im2col against plain loops and differences; integer convolution.
 * Tolerance: f32 rounding of k-term sums relative to the sum of magnitudes, 1e-5 for k <= 700.
 */
#include "t_kernels.h"

static const struct lt_kernels *table(int k) { return lt_kernels_named(vector_table[k]); }

static void products(int k)
{
    static const int size[][3] = {{1, 1, 1}, {5, 3, 7}, {13, 16, 9}, {12, 32, 256}, {25, 33, 257}, {7, 48, 600}, {100, 10, 30}, {2, 70, 513}, {3, 4, 0}, {40, 8, 5}, {31, 24, 64}};
    int bad = 0, count = 0;
    for (size_t s = 0; s < sizeof(size) / sizeof(*size); s++)
        for (int mode = 0; mode < 8; mode++) {
            /* lines longer than needed: what lies between them must neither be used nor changed */
            struct lt_gemm g = {.m = size[s][0], .n = size[s][1], .k = size[s][2], .ta = mode & 1, .tb = mode & 2, .accumulate = mode & 4, .ldc = size[s][1] + 2};
            g.lda = (g.ta ? g.m : g.k) + 3;
            g.ldb = (g.tb ? g.k : g.n) + 1;
            struct vec a = vec_random((int64_t)(g.ta ? g.k : g.m) * g.lda, 1), b = vec_random((int64_t)(g.tb ? g.n : g.k) * g.ldb, 2), aa = vec_abs(a), ab = vec_abs(b),
                       got = vec_random((int64_t)g.m * g.ldc, 3), want = vec_copy(got), mag = vec_abs(got);
            struct lt_gemm h = g;
            h.a = a.v;
            h.b = b.v;
            h.c = want.v;
            lt_kernels_reference()->gemm(&h);
            h.c = got.v;
            table(k)->gemm(&h);
            h.a = aa.v;
            h.b = ab.v;
            h.c = mag.v;
            lt_kernels_reference()->gemm(&h);
            bad += !vec_near(got, want, mag.v, 1e-5);
            count++;
            struct vec *all[] = {&a, &b, &aa, &ab, &got, &want, &mag};
            for (int i = 0; i < 7; i++)
                vec_free(all[i]);
        }
    lt_ok(!bad, "%s: %d matrix products, all transpositions (%d differ)", vector_table[k], count, bad);
}

static const struct lt_conv convs[] = {
    {.n = 2, .h = 6, .w = 5, .ic = 3, .oc = 8, .kernel = 3, .stride = 1, .pad = 1, .groups = 1}, {.n = 2, .h = 7, .w = 7, .ic = 8, .oc = 12, .kernel = 1, .stride = 1, .groups = 1},
    {.n = 1, .h = 8, .w = 9, .ic = 4, .oc = 6, .kernel = 3, .stride = 2, .pad = 1, .groups = 2}, {.n = 2, .h = 5, .w = 5, .ic = 6, .oc = 6, .kernel = 5, .stride = 1, .pad = 2, .groups = 6},
    {.n = 1, .h = 3, .w = 2, .ic = 16, .oc = 24, .kernel = 3, .stride = 1, .pad = 0, .groups = 1}, {.n = 1, .h = 9, .w = 9, .ic = 5, .oc = 7, .kernel = 1, .stride = 2, .groups = 1},
    {.n = 1, .h = 4, .w = 4, .ic = 6, .oc = 3, .kernel = 4, .stride = 3, .pad = 3, .groups = 3}};
enum { N_CONVS = sizeof(convs) / sizeof(*convs) };

static struct lt_conv conv_at(int i)
{
    struct lt_conv d = convs[i];
    if (d.h + 2 * d.pad < d.kernel || d.w + 2 * d.pad < d.kernel)
        d.pad = d.kernel;                                /* more padding than kernel: windows without any pixel */
    d.oh = (d.h + 2 * d.pad - d.kernel) / d.stride + 1;
    d.ow = (d.w + 2 * d.pad - d.kernel) / d.stride + 1;
    return d;
}

static void convolutions(const struct lt_kernels *k)
{
    int bad = 0;
    for (int i = 0; i < N_CONVS; i++) {
        const struct lt_conv d = conv_at(i);
        int64_t in = (int64_t)d.n * d.h * d.w * d.ic, out = (int64_t)d.n * d.oh * d.ow * d.oc, nw = (int64_t)d.oc * (d.ic / d.groups) * d.kernel * d.kernel;
        struct vec x = vec_random(in, 11), w = vec_random(nw, 12), b = vec_random(d.oc, 13), dy = vec_random(out, 14), gw = vec_random(nw, 15), gw2 = vec_copy(gw),
                   y = vec_new(out), y2 = vec_new(out), dx = vec_new(in), dx2 = vec_new(in), s = vec_new(lt_conv_scratch(&d));
        for (int bias = 0; bias < 2; bias++) {
            lt_conv_forward(&d, k->gemm, x.v, w.v, bias ? b.v : NULL, y.v, s.v);
            lt_conv_forward_plain(&d, x.v, w.v, bias ? b.v : NULL, y2.v);
            bad += !vec_near(y, y2, NULL, 1e-4);
        }
        lt_conv_backward_data(&d, k->gemm, dy.v, w.v, dx.v, s.v);
        lt_conv_backward_data_plain(&d, dy.v, w.v, dx2.v);
        lt_conv_backward_weights(&d, k->gemm, x.v, dy.v, gw.v, s.v);
        lt_conv_backward_weights_plain(&d, x.v, dy.v, gw2.v);
        bad += !vec_near(dx, dx2, NULL, 1e-4) + !vec_near(gw, gw2, NULL, 1e-4) + (s.v[s.n] != guard);
        struct vec *all[] = {&x, &w, &b, &dy, &gw, &gw2, &y, &y2, &dx, &dx2, &s};
        for (int j = 0; j < 11; j++)
            vec_free(all[j]);
    }
    lt_ok(!bad, "%s: convolution through im2col equals plain loops, all directions, groups (%d differ)", k->name, bad);
}

static double dot(struct vec a, struct vec b)
{
    double s = 0;
    for (int64_t i = 0; i < a.n; i++)
        s += (double)a.v[i] * b.v[i];
    return s;
}

/* y is linear in x and in w: <dy, conv(x,w)> = <dx, x> = <gw, w> exactly up to rounding; each for random dy, x, w. */
static void gradients_are_adjoint(void)
{
    for (int i = 0; i < N_CONVS; i++) {
        const struct lt_conv d = conv_at(i);
        int64_t in = (int64_t)d.n * d.h * d.w * d.ic, out = (int64_t)d.n * d.oh * d.ow * d.oc, nw = (int64_t)d.oc * (d.ic / d.groups) * d.kernel * d.kernel;
        struct vec x = vec_random(in, 21), w = vec_random(nw, 22), dy = vec_random(out, 23), y = vec_new(out), dx = vec_new(in), gw = vec_new(nw);
        memset(gw.v, 0, (size_t)nw * sizeof(float));
        lt_conv_forward_plain(&d, x.v, w.v, NULL, y.v);
        lt_conv_backward_data_plain(&d, dy.v, w.v, dx.v);
        lt_conv_backward_weights_plain(&d, x.v, dy.v, gw.v);
        double want = dot(dy, y), size = sqrt(dot(dy, dy) * dot(y, y));
        lt_ok(fabs(dot(dx, x) - want) < 1e-6 * size && fabs(dot(gw, w) - want) < 1e-6 * size, "convolution %d: gradients are the adjoints of the forward pass", i);
        struct vec *all[] = {&x, &w, &dy, &y, &dx, &gw};
        for (int j = 0; j < 6; j++)
            vec_free(all[j]);
    }
}

int main(void)
{
    lt_note("seed %d", SEED);
    gradients_are_adjoint();
    convolutions(lt_kernels_reference());
    for (int k = 0; k < N_VECTOR_TABLES; k++) {
        if (!table(k)) {
            lt_skip("%s: not on this CPU", vector_table[k]);
            continue;
        }
        products(k);
        convolutions(table(k));
    }
    return lt_done();
}
