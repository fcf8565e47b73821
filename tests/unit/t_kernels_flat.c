/*
 * Activations, elementwise sums, pooling, layouts, quantization: every table against plain loops; activation gradients against differences.
 */
#include "t_kernels.h"
#include "graph/quantize.h"

static const struct lt_kernels *table(int k) { return lt_kernels_named(vector_table[k]); }

/* Values that matter to the activations, then a sweep, then normal numbers; n in all. */
static struct vec inputs(int64_t n, uint64_t item)
{
    static const float special[] = {0, -0.0f, 1e-30f, -1e-30f, 3, -3, 6, -6, 2.9999998f, 100, -100, 1000, -1000, 1e30f, -1e30f, INFINITY, -1e20f};   /* not -inf: inf * 0 is NaN or not by formula */
    struct vec x = vec_random(n, item);
    for (int64_t i = 0; i < n; i++)
        x.v[i] = i < 17 ? special[i] : i < 200 ? (float)(i - 108) * 0.11f : 3 * x.v[i];
    return x;
}

static bool both_nan(float a, float b) { return isnan(a) && isnan(b); }

static void activations(int k)
{
    static const int64_t counts[] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 500, 1003};
    double worst = 0, worst_grad = 0;
    int unequal = 0;
    for (int a = 0; a < LT_N_ACTS; a++)
        for (size_t s = 0; s < sizeof(counts) / sizeof(*counts); s++) {
            int64_t n = counts[s];
            struct vec x = inputs(n, 61), dy = vec_random(n, 62), y = vec_new(n), want = vec_new(n), dx = vec_new(n), dwant = vec_new(n);
            lt_kernels_reference()->act_forward((enum lt_act)a, x.v, n, want.v);
            table(k)->act_forward((enum lt_act)a, x.v, n, y.v);
            lt_kernels_reference()->act_backward((enum lt_act)a, x.v, dy.v, n, dwant.v);
            table(k)->act_backward((enum lt_act)a, x.v, dy.v, n, dx.v);
            for (int64_t i = 0; i < n; i++) {
                if (y.v[i] != want.v[i] && !both_nan(y.v[i], want.v[i]))
                    worst = fmax(worst, fabs((double)y.v[i] - want.v[i]) / fmax(1, fabs((double)want.v[i])));
                if (dx.v[i] != dwant.v[i] && !both_nan(dx.v[i], dwant.v[i]))
                    worst_grad = fmax(worst_grad, fabs((double)dx.v[i] - dwant.v[i]));
                unequal += isnan(y.v[i]) != isnan(want.v[i]);
            }
            unequal += y.v[n] != guard || dx.v[n] != guard;
            table(k)->act_backward((enum lt_act)a, x.v, dy.v, n, dy.v);
            unequal += memcmp(dy.v, dx.v, (size_t)n * sizeof(float)) != 0;
            table(k)->act_forward((enum lt_act)a, x.v, n, x.v);
            unequal += memcmp(x.v, y.v, (size_t)n * sizeof(float)) != 0;
            struct vec *all[] = {&x, &dy, &y, &want, &dx, &dwant};
            for (int i = 0; i < 6; i++)
                vec_free(all[i]);
        }
    /* exp is accurate to about 2 units in the last place */
    lt_ok(worst < 1e-6, "%s: activations (worst %g)", vector_table[k], worst);
    lt_ok(worst_grad < 4e-6, "%s: activation gradients (worst %g)", vector_table[k], worst_grad);
    lt_ok(!unequal, "%s: activations in place and at the ends", vector_table[k]);
    float nan_in[20], nan_out[20];
    bool kept = true;
    for (int i = 0; i < 20; i++)
        nan_in[i] = NAN;
    for (int a = 0; a < LT_N_ACTS; a++) {
        table(k)->act_forward((enum lt_act)a, nan_in, 20, nan_out);
        for (int i = 0; i < 20; i++)
            kept &= isnan(nan_out[i]) != 0;
    }
    lt_ok(kept, "%s: NaN goes through every activation", vector_table[k]);
}

/* Step 1e-3 in f32 inputs of moderate size, away from kinks: rounding of y over 2e-3 dominates, below 1e-3. */
static void gradients_are_differences(void)
{
    for (int a = 0; a < LT_N_ACTS; a++) {
        double worst = 0;
        for (int i = -80; i < 80; i++) {
            float x = ((float)i + 0.5f) * 0.1f, p[2] = {x + 1e-3f, x - 1e-3f}, y[2], one = 1, g;
            lt_kernels_reference()->act_forward((enum lt_act)a, p, 2, y);
            lt_kernels_reference()->act_backward((enum lt_act)a, &x, &one, 1, &g);
            worst = fmax(worst, fabs(((double)y[0] - y[1]) / ((double)p[0] - p[1]) - g));
        }
        lt_ok(worst < 1e-3, "%s: gradient equals central differences (worst %g)", lt_act_name((enum lt_act)a), worst);
    }
}

static void sums(int k)
{
    int bad = 0;
    for (int64_t n = 1; n < 70; n++) {
        struct vec a = vec_random(n, 71), b = vec_random(n, 72), y = vec_new(n);
        table(k)->add(a.v, b.v, n, y.v);
        for (int64_t i = 0; i < n; i++)
            bad += y.v[i] != a.v[i] + b.v[i];
        bad += y.v[n] != guard;
        vec_free(&a);
        vec_free(&b);
        vec_free(&y);
    }
    lt_ok(!bad, "%s: add for 1..69 values", vector_table[k]);
}

static void pools(int k)
{
    static const struct lt_window w[] = {
        {.n = 2, .h = 7, .w = 6, .c = 24, .kernel = 2, .stride = 2, .pad = 0}, {.n = 1, .h = 8, .w = 9, .c = 13, .kernel = 3, .stride = 2, .pad = 1},
        {.n = 2, .h = 5, .w = 5, .c = 1, .kernel = 3, .stride = 1, .pad = 1}, {.n = 1, .h = 2, .w = 3, .c = 40, .kernel = 5, .stride = 1, .pad = 2},
        {.n = 1, .h = 4, .w = 4, .c = 16, .kernel = 2, .stride = 3, .pad = 0}, {.n = 1, .h = 3, .w = 3, .c = 8, .kernel = 2, .stride = 2, .pad = 2}};
    int bad = 0;
    for (size_t s = 0; s < sizeof(w) / sizeof(*w); s++) {
        struct lt_window d = w[s];
        d.oh = (d.h + 2 * d.pad - d.kernel) / d.stride + 1;
        d.ow = (d.w + 2 * d.pad - d.kernel) / d.stride + 1;
        int64_t in = (int64_t)d.n * d.h * d.w * d.c, out = (int64_t)d.n * d.oh * d.ow * d.c;
        struct vec x = vec_random(in, 81), dy = vec_random(out, 82), y = vec_new(out), want = vec_new(out), dx = vec_new(in), dwant = vec_new(in);
        for (int64_t i = 0; i < in; i++)
            x.v[i] = roundf(2 * x.v[i]);                 /* many ties: who gets the gradient is tested too */
        for (int kind = 0; kind < 2; kind++) {
            lt_kernels_reference()->pool_forward(&d, (enum lt_pool)kind, x.v, want.v);
            table(k)->pool_forward(&d, (enum lt_pool)kind, x.v, y.v);
            lt_kernels_reference()->pool_backward(&d, (enum lt_pool)kind, kind == LT_POOL_MAX ? x.v : NULL, dy.v, dwant.v);
            table(k)->pool_backward(&d, (enum lt_pool)kind, kind == LT_POOL_MAX ? x.v : NULL, dy.v, dx.v);
            bad += !vec_near(y, want, NULL, 2e-6) + !vec_near(dx, dwant, NULL, 4e-6);
        }
        struct vec *all[] = {&x, &dy, &y, &want, &dx, &dwant};
        for (int i = 0; i < 6; i++)
            vec_free(all[i]);
    }
    lt_ok(!bad, "%s: pooling both ways, ties to the first (%d differ)", vector_table[k], bad);
}

static void pool_example(void)
{
    const struct lt_window d = {.n = 1, .h = 2, .w = 2, .c = 1, .oh = 2, .ow = 2, .kernel = 2, .stride = 1, .pad = 1};
    const struct lt_window e = {.n = 1, .h = 2, .w = 2, .c = 1, .oh = 1, .ow = 1, .kernel = 2, .stride = 1, .pad = 0};
    const float x[4] = {1, 5, 5, 2}, one = 1;
    float y[4], dx[4];
    lt_kernels_reference()->pool_forward(&d, LT_POOL_AVG, x, y);
    lt_ok(y[0] == 1 && y[1] == 3 && y[2] == 3 && y[3] == 3.25f, "an average excludes padding from the count");
    lt_kernels_reference()->pool_forward(&e, LT_POOL_MAX, x, y);
    lt_kernels_reference()->pool_backward(&e, LT_POOL_MAX, x, &one, dx);
    lt_ok(y[0] == 5 && dx[0] == 0 && dx[1] == 1 && dx[2] == 0 && dx[3] == 0, "the first maximum gets the gradient");
}

static void layouts(int k)
{
    static const int shape[][3] = {{1, 1, 5}, {2, 3, 49}, {1, 24, 1}, {2, 17, 33}, {1, 40, 16}};
    bool ok = true;
    for (size_t s = 0; s < sizeof(shape) / sizeof(*shape); s++) {
        int n = shape[s][0], c = shape[s][1], hw = shape[s][2];
        struct vec x = vec_random((int64_t)n * c * hw, 91), y = vec_new(x.n), z = vec_new(x.n);
        table(k)->nchw_to_nhwc(x.v, n, c, hw, y.v);
        for (int i = 0; i < n; i++)
            for (int j = 0; j < c; j++)
                for (int p = 0; p < hw; p++)
                    ok &= y.v[(i * hw + p) * c + j] == x.v[(i * c + j) * hw + p];
        table(k)->nhwc_to_nchw(y.v, n, c, hw, z.v);
        ok &= vec_same(x, z);
        vec_free(&x);
        vec_free(&y);
        vec_free(&z);
    }
    lt_ok(ok, "%s: layouts there and back", vector_table[k]);
}

static void quantization(const struct lt_kernels *f)
{
    static const float half[] = {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 254.5f, 255.4f, 300, -128.5f, -300, 127.5f, NAN, INFINITY, -INFINITY, 3.49999f, 0};
    static const uint8_t as_u8[] = {0, 2, 2, 0, 0, 254, 255, 255, 0, 0, 128, 0, 255, 0, 3, 0};
    static const int as_s8[] = {0, 2, 2, 0, -2, 127, 127, 127, -128, -128, 127, -128, 127, -128, 3, 0};
    const struct lt_qparam u = {.scale = 1}, s = {.scale = 1, .is_signed = true}, odd = {.scale = 0.0371f, .is_signed = true};
    uint8_t q[17];
    bool ok = true;
    memset(q, 77, sizeof(q));
    f->quantize(half, 16, u, 0, q);
    for (int i = 0; i < 16; i++)
        ok &= q[i] == as_u8[i];
    f->quantize(half, 16, s, 0, q);
    for (int i = 0; i < 16; i++)
        ok &= (int8_t)q[i] == as_s8[i];
    f->quantize(half, 16, s, 128, q);
    for (int i = 0; i < 16; i++)
        ok &= q[i] == as_s8[i] + 128;
    lt_ok(ok && q[16] == 77, "%s: rounds half to even, clamps, NaN to the lowest value", f->name);
    struct vec x = vec_random(1003, 95);
    uint8_t got[1003], want[1003];
    f->quantize(x.v, 1003, odd, 128, got);
    lt_kernels_reference()->quantize(x.v, 1003, odd, 128, want);
    lt_ok(!memcmp(got, want, sizeof(got)), "%s: quantizes exactly as plain loops do", f->name);
    vec_free(&x);
}

/* Three channels of three weights without bias, by the definition that all users share. */
static void quantized_rows(const float *w, int qmax, int8_t *q, float *scale)
{
    for (int o = 0; o < 3; o++) {
        scale[o] = lt_weight_scale(w + 3 * o, 3, 0, 1, qmax);
        for (int i = 0; i < 3; i++)
            q[3 * o + i] = lt_weight_quantize(w[3 * o + i], scale[o], qmax);
    }
}

static void weight_quantization(void)
{
    const float w[9] = {0.5f, -1, 0.25f, 0, 0, 0, 2, 1.999f, -0.0079f};
    int8_t q[9];
    float scale[3];
    quantized_rows(w, 127, q, scale);
    lt_ok(scale[0] == 1 / 127.0f && scale[1] == 1 && scale[2] == 2 / 127.0f, "a weight scale is max / qmax, 1 for zeros");
    lt_ok(q[0] == 64 && q[1] == -127 && q[2] == 32 && !q[3] && !q[4] && !q[5] && q[6] == 127 && q[7] == 127 && q[8] == -1, "weights by output channel");
    quantized_rows(w, 63, q, scale);
    lt_ok(q[1] == -63 && q[6] == 63, "weights within 63");
}

int main(void)
{
    lt_note("seed %d", SEED);
    gradients_are_differences();
    pool_example();
    weight_quantization();
    quantization(lt_kernels_reference());
    for (int k = 0; k < N_VECTOR_TABLES; k++) {
        if (!table(k)) {
            lt_skip("%s: not on this CPU", vector_table[k]);
            continue;
        }
        activations(k);
        sums(k);
        pools(k);
        layouts(k);
        quantization(table(k));
    }
    return lt_done();
}
