/*
 * Kernels of sequence operators and dilated depthwise convolution: every table against plain loops.
 */
#include "t_kernels.h"

static const struct lt_kernels *table(int k) { return lt_kernels_named(vector_table[k]); }

static void layernorm(int k) {
    static const int widths[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 257};
    bool near = true, in_place = true;
    for (size_t i = 0; i < sizeof(widths) / sizeof(*widths); i++)
        for (int form = 0; form < 4; form++) { /* rms or not, shift or not */
            int c = widths[i], rows = 3;
            struct vec x = vec_random(rows * c, 1), g = vec_random(c, 2), b = vec_random(c, 3), y = vec_new(rows * c),
                       want = vec_new(rows * c);
            for (int64_t j = 0; j < x.n; j++) x.v[j] = 3 * x.v[j] + 2;
            lt_kernels_reference()->layernorm(x.v, rows, c, g.v, form & 2 ? b.v : NULL, 1e-5f, form & 1, want.v);
            table(k)->layernorm(x.v, rows, c, g.v, form & 2 ? b.v : NULL, 1e-5f, form & 1, y.v);
            /* one feature has no variance: rounding of its mean is divided by sqrt(eps) */
            near &= vec_near(y, want, NULL, c == 1 ? 1e-3 : 2e-5);
            table(k)->layernorm(x.v, rows, c, g.v, form & 2 ? b.v : NULL, 1e-5f, form & 1, x.v);
            in_place &= vec_same(x, y);
            struct vec *all[] = {&x, &g, &b, &y, &want};
            for (int j = 0; j < 5; j++) vec_free(all[j]);
        }
    lt_ok(near && in_place, "%s: layer normalization, with and without mean and shift, in place too", vector_table[k]);
}

static void softmax(int k) {
    bool near = true, one = true;
    for (int n = 1; n <= 70; n++)
        for (int scale = 1; scale <= 100; scale *= 100) {
            struct vec x = vec_random(n, (uint64_t)n), want;
            double sum = 0;
            for (int i = 0; i < n; i++)
                x.v[i] = (float)scale * x.v[i] - (float)(500 * (scale - 1)); /* far below 0 too */
            want = vec_copy(x);
            lt_kernels_reference()->softmax(want.v, n);
            table(k)->softmax(x.v, n);
            near &= vec_near(x, want, NULL, 1e-6);
            for (int i = 0; i < n; i++) sum += x.v[i];
            one &= fabs(sum - 1) < 1e-6;
            vec_free(&x);
            vec_free(&want);
        }
    lt_ok(near && one, "%s: softmax of 1 to 70 values", vector_table[k]);
}

static void elu1(int k) {
    bool good = true;
    for (int n = 1; n <= 40; n++) {
        struct vec x = vec_random(n, 7), y = vec_new(n), want = vec_new(n);
        x.v[0] = -80;
        lt_kernels_reference()->elu1(x.v, n, want.v);
        table(k)->elu1(x.v, n, y.v);
        good &= vec_near(y, want, NULL, 1e-6) && y.v[0] > 0;
        table(k)->elu1(x.v, n, x.v);
        good &= vec_same(x, y);
        vec_free(&x);
        vec_free(&y);
        vec_free(&want);
    }
    lt_ok(good, "%s: elu + 1, never 0, in place too", vector_table[k]);
}

/* All three directions. Sums of at most n*h*w or 25 products: 1e-5 of the magnitudes leaves room. */
static bool dilated(int k, int c, int kernel, int stride, int dilation, int h, int w) {
    const struct lt_kernels *ref = lt_kernels_reference();
    int reach = (kernel - 1) * dilation + 1, pad = reach / 2;
    struct lt_window d = {.n = 2,
                          .h = h,
                          .w = w,
                          .c = c,
                          .oh = (h + 2 * pad - reach) / stride + 1,
                          .ow = (w + 2 * pad - reach) / stride + 1,
                          .kernel = kernel,
                          .stride = stride,
                          .pad = pad,
                          .dilation = dilation};
    int64_t in = (int64_t)d.n * h * w * c, out = (int64_t)d.n * d.oh * d.ow * c, weights = (int64_t)kernel * kernel * c;
    struct vec x = vec_random(in, 11), dy = vec_random(out, 12), wp = vec_random(weights, 13), b = vec_random(c, 14);
    struct vec y = vec_new(out), y2 = vec_new(out), dx = vec_new(in), dx2 = vec_new(in), g = vec_random(weights, 15),
               g2 = vec_copy(g);
    ref->dw_forward(&d, x.v, wp.v, b.v, LT_ACT_GELU, y.v);
    table(k)->dw_forward(&d, x.v, wp.v, b.v, LT_ACT_GELU, y2.v);
    ref->dw_backward_data(&d, dy.v, wp.v, dx.v);
    table(k)->dw_backward_data(&d, dy.v, wp.v, dx2.v);
    ref->dw_backward_weights(&d, x.v, dy.v, g.v);
    table(k)->dw_backward_weights(&d, x.v, dy.v, g2.v);
    bool good = vec_near(y2, y, NULL, 1e-4) && vec_near(dx2, dx, NULL, 1e-4) && vec_near(g2, g, NULL, 1e-3);
    struct vec *all[] = {&x, &dy, &wp, &b, &y, &y2, &dx, &dx2, &g, &g2};
    for (int j = 0; j < 10; j++) vec_free(all[j]);
    return good;
}

static void dilation(int k) {
    int bad = 0, n = 0;
    for (int c = 1; c <= 37; c += 6)
        for (int kernel = 2; kernel <= 5; kernel++)
            for (int stride = 1; stride <= 2; stride++)
                for (int d = 2; d <= 4; d++, n++) bad += !dilated(k, c, kernel, stride, d, 9, 6 + stride);
    lt_ok(!bad, "%s: dilated depthwise convolution, forward and both gradients, %d geometries", vector_table[k], n);
}

/* A dilated kernel is a larger one with zeros between its taps. */
static void is_a_sparse_kernel(void) {
    enum { C = 3, K = 3, D = 2, BIG = 5 };
    const struct lt_kernels *ref = lt_kernels_reference();
    struct vec x = vec_random(7 * 7 * C, 1), w = vec_random(K * K * C, 2), big = vec_new(BIG * BIG * C),
               y = vec_new(7 * 7 * C), y2 = vec_new(7 * 7 * C);
    struct lt_window d = {
        .n = 1, .h = 7, .w = 7, .c = C, .oh = 7, .ow = 7, .kernel = K, .stride = 1, .pad = 2, .dilation = D};
    memset(big.v, 0, sizeof(float) * BIG * BIG * C);
    for (int ky = 0; ky < K; ky++)
        for (int kx = 0; kx < K; kx++)
            memcpy(big.v + (ky * D * BIG + kx * D) * C, w.v + (ky * K + kx) * C, C * sizeof(float));
    ref->dw_forward(&d, x.v, w.v, NULL, LT_ACT_NONE, y.v);
    d.kernel = BIG;
    d.dilation = 1;
    ref->dw_forward(&d, x.v, big.v, NULL, LT_ACT_NONE, y2.v);
    lt_ok(vec_near(y, y2, NULL, 1e-6), "a dilated kernel is a larger one with zeros between");
    struct vec *all[] = {&x, &w, &big, &y, &y2};
    for (int j = 0; j < 5; j++) vec_free(all[j]);
}

int main(void) {
    is_a_sparse_kernel();
    for (int k = 0; k < N_VECTOR_TABLES; k++) {
        if (!table(k)) {
            lt_skip("%s: not on this processor", vector_table[k]);
            continue;
        }
        layernorm(k);
        softmax(k);
        elu1(k);
        dilation(k);
    }
    return lt_done();
}
