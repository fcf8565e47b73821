/*
 * Kernels of sequence operators: normalization over features, softmax of a row, the feature map of linear attention.
 * Included once per instruction set. What does not fill a vector is done by element.
 */
LT_INLINE float seq_total(vf v)
{
    float lane[LT_VL], sum = 0;
    v_store(lane, v);
    for (int i = 0; i < LT_VL; i++)
        sum += lane[i];
    return sum;
}

/* Sum of (x - mean)^2, or of x where `square` is false and mean 0. */
LT_INLINE float seq_sum(const float *x, int c, float mean, const bool square)
{
    vf acc = v_set(0), m = v_set(mean);
    float sum = 0;
    int i = 0;
    for (; i + LT_VL <= c; i += LT_VL) {
        vf v = v_load(x + i) - m;
        acc = square ? v_fma(v, v, acc) : acc + v;
    }
    for (; i < c; i++)
        sum += square ? (x[i] - mean) * (x[i] - mean) : x[i] - mean;
    return sum + seq_total(acc);
}

static void layernorm(const float *x, int64_t rows, int c, const float *gamma, const float *beta, float eps, bool rms, float *y)
{
    for (int64_t r = 0; r < rows; r++, x += c, y += c) {
        const float mean = rms ? 0 : seq_sum(x, c, 0, false) / (float)c;
        const float scale = 1 / __builtin_sqrtf(seq_sum(x, c, mean, true) / (float)c + eps);
        const vf m = v_set(mean), s = v_set(scale);
        EACH_FLAT(c, v_put(y + i, v_fma((v_get(x + i, n) - m) * s, v_get(gamma + i, n), beta ? v_get(beta + i, n) : v_set(0)), n););
    }
}

static void softmax(float *x, int64_t count)
{
    vf top = v_set(x[0]), acc = v_set(0);
    float lane[LT_VL], max = x[0], sum = 0;
    int64_t i = 0;
    for (; i + LT_VL <= count; i += LT_VL)
        top = v_gt(v_load(x + i), top, v_load(x + i), top);
    v_store(lane, top);
    for (int k = 0; k < LT_VL; k++)
        max = lane[k] > max ? lane[k] : max;
    for (; i < count; i++)
        max = x[i] > max ? x[i] : max;
    for (i = 0; i + LT_VL <= count; i += LT_VL) {
        vf e = v_exp(v_load(x + i) - v_set(max));
        v_store(x + i, e);
        acc = acc + e;
    }
    if (i < count)
        v_storen(x + i, v_exp(v_loadn(x + i, (int)(count - i)) - v_set(max)), (int)(count - i));
    for (; i < count; i++)
        sum += x[i];
    const vf scale = v_set(1 / (sum + seq_total(acc)));
    EACH_FLAT(count, v_put(x + i, v_get(x + i, n) * scale, n););
}

static void elu1(const float *x, int64_t count, float *y)
{
    EACH_FLAT(count, {
        vf v = v_get(x + i, n);
        v_put(y + i, v_gt(v, v_set(0), v + v_set(1), v_exp(v)), n);
    });
}
