/*
 * Matrix product for builds without oneDNN and CBLAS. Included once per instruction set. A panel of B (KC x one or two vectors) is packed on the
 * stack (any transposition, zero-padded), A is read in place through its two strides, MR x NV vectors of C stay in registers.
 */
#define GEMM_KC 256
#if LT_MAX_BLOCK == 14
#define GEMM_MR 12
#else
#define GEMM_MR 6
#endif
#define GEMM_NV 2
#define GEMM_ROWS(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11)

struct gemm_tile { const float *a, *b; float *c; ptrdiff_t row, col, ldc; int k, n; bool add; };  /* n: columns of C to store */

/* One row of the tile to c. */
LT_INLINE void gemm_store(const vf *acc, const int NV, float *c, const struct gemm_tile *t)
{
    float s[GEMM_NV * LT_VL];
    if (t->n == NV * LT_VL) {
        v_store(c, t->add ? v_load(c) + acc[0] : acc[0]);
        if (NV == 2)
            v_store(c + LT_VL, t->add ? v_load(c + LT_VL) + acc[1] : acc[1]);
        return;
    }
    v_store(s, acc[0]);
    v_store(s + (NV - 1) * LT_VL, acc[NV - 1]);
    for (int j = 0; j < t->n; j++)
        c[j] = t->add ? c[j] + s[j] : s[j];
}

LT_INLINE void gemm_tile(const int MR, const int NV, const struct gemm_tile *t)
{
    vf acc[12][GEMM_NV], b[GEMM_NV];
    const float *a = t->a, *bp = t->b;
    const ptrdiff_t row = t->row, col = t->col;
#define F(i) if ((i) < MR) acc[i][0] = acc[i][NV - 1] = v_set(0);
    GEMM_ROWS(F)
#undef F
    for (int k = 0; k < t->k; k++, a += col, bp += NV * LT_VL) {
        const float *ap = a;
        b[0] = v_load(bp);
        b[NV - 1] = v_load(bp + (NV - 1) * LT_VL);
#define F(i) if ((i) < MR) { vf v = v_set(*ap); V_PIN(v); ap += row; acc[i][0] = v_fma(v, b[0], acc[i][0]); if (NV == 2) acc[i][1] = v_fma(v, b[1], acc[i][1]); }
        GEMM_ROWS(F)
#undef F
    }
    float *c = t->c;
#define F(i) if ((i) < MR) { gemm_store(acc[i], NV, c, t); c += t->ldc; }
    GEMM_ROWS(F)
#undef F
}

#define GEMM_DEFINE(MR) \
    static void gemm_1_##MR(const struct gemm_tile *t) { gemm_tile(MR, 1, t); } \
    static void gemm_2_##MR(const struct gemm_tile *t) { gemm_tile(MR, 2, t); }
GEMM_DEFINE(1) GEMM_DEFINE(2) GEMM_DEFINE(3) GEMM_DEFINE(4) GEMM_DEFINE(5) GEMM_DEFINE(6)
#if GEMM_MR == 12
GEMM_DEFINE(7) GEMM_DEFINE(8) GEMM_DEFINE(9) GEMM_DEFINE(10) GEMM_DEFINE(11) GEMM_DEFINE(12)
#define GEMM_REST(f) , f##7, f##8, f##9, f##10, f##11, f##12
#else
#define GEMM_REST(f)
#endif
static void (*const gemm_fn[2][GEMM_MR + 1])(const struct gemm_tile *t) = {
    {NULL, gemm_1_1, gemm_1_2, gemm_1_3, gemm_1_4, gemm_1_5, gemm_1_6 GEMM_REST(gemm_1_)},
    {NULL, gemm_2_1, gemm_2_2, gemm_2_3, gemm_2_4, gemm_2_5, gemm_2_6 GEMM_REST(gemm_2_)}};

/* Rows k0.. of columns j0.. of B as [kn][width], zeros beyond n. */
static void gemm_pack(const struct lt_gemm *g, int k0, int kn, int j0, int n, int width, float *out)
{
    if (n < width)
        memset(out, 0, (size_t)kn * (size_t)width * sizeof(float));
    if (g->tb)
        for (int j = 0; j < n; j++) {
            const float *b = g->b + (ptrdiff_t)(j0 + j) * g->ldb + k0;
            for (int k = 0; k < kn; k++)
                out[k * width + j] = b[k];
        }
    else
        for (int k = 0; k < kn; k++)
            memcpy(out + k * width, g->b + (ptrdiff_t)(k0 + k) * g->ldb + j0, (size_t)n * sizeof(float));
}

static void gemm(const struct lt_gemm *g)
{
    float panel[GEMM_KC * GEMM_NV * LT_VL] __attribute__((aligned(64)));
    const ptrdiff_t row = g->ta ? 1 : g->lda, col = g->ta ? g->lda : 1;
    if (g->k <= 0) {
        for (int i = 0; i < g->m && !g->accumulate; i++)
            memset(g->c + (ptrdiff_t)i * g->ldc, 0, (size_t)g->n * sizeof(float));
        return;
    }
    for (int k0 = 0; k0 < g->k; k0 += GEMM_KC) {
        int kn = dw_min(GEMM_KC, g->k - k0);
        for (int j0 = 0; j0 < g->n; j0 += GEMM_NV * LT_VL) {
            int n = dw_min(GEMM_NV * LT_VL, g->n - j0), nv = n > LT_VL ? 2 : 1;
            struct gemm_tile t = {.b = panel, .row = row, .col = col, .ldc = g->ldc, .k = kn, .n = n, .add = g->accumulate || k0};
            gemm_pack(g, k0, kn, j0, n, nv * LT_VL, panel);
            for (int i0 = 0; i0 < g->m;) {
                int left = g->m - i0, mr = left <= GEMM_MR ? left : left < 2 * GEMM_MR ? (left + 1) / 2 : GEMM_MR;
                t.a = g->a + i0 * row + k0 * col;
                t.c = g->c + (ptrdiff_t)i0 * g->ldc + j0;
                gemm_fn[nv - 1][mr](&t);
                i0 += mr;
            }
        }
    }
}
