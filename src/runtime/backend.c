/*
 * Backends: which kernels, which dense convolutions and which matrix product a session computes with.
 * "native" takes the fastest of each that was built and runs on this processor; "reference" plain loops, and is what
 * "native" is compared with.
 */
#include "config.h"
#include "lathe/mem.h"
#include "runtime/gemm.h"
#include "runtime/session_priv.h"
#include "runtime/train_priv.h"
#include <string.h>
#if LT_WITH_DNNL
#include "runtime/onednn/dnnl_util.h"
#endif

/* Every operator infers in f32; only convolutions and linear layers have an int8 form. */
static bool supports(const struct lt_node *n, enum lt_dtype t) {
    if (n->op < 0 || n->op >= LT_N_OPS) return false;
    return t == LT_F32 || (t == LT_I8 && (n->op == LT_OP_CONV || n->op == LT_OP_LINEAR));
}

static const struct lt_backend_ops lt_backend_native = {
    .name = "native",
    .supports = supports,
    .kernels = lt_kernels_best,
    .gemm = lt_gemm_best,
#if LT_WITH_DNNL
    .dense = &lt_dense_dnnl,
#else
    .dense = &lt_dense_im2col,
#endif
};
static const struct lt_backend_ops lt_backend_reference = {
    .name = "reference",
    .reference = true,
    .supports = supports,
    .kernels = lt_kernels_reference,
    .dense = &lt_dense_plain,
};

static const struct lt_backend_ops *const table[] = {
#define LT_BACKEND(ops) &ops,
#include "runtime/backends.def"
#undef LT_BACKEND
};
enum { N_BACKENDS = sizeof(table) / sizeof(table[0]) };

int lt_backend_count(void) { return N_BACKENDS; }

const char *lt_backend_name_at(int i) { return i >= 0 && i < N_BACKENDS ? table[i]->name : NULL; }

const char *lt_backend_name(const struct lt_backend *b) { return b->ops->name; }

bool lt_backend_supports(const struct lt_backend *b, const struct lt_node *n, enum lt_dtype t) {
    return b->ops->supports(n, t);
}

static const struct lt_backend_ops *find(const char *name, struct lt_err *e) {
    struct lt_buf known = LT_BUF_INIT;
    if (!strcmp(name, "auto")) return table[0];
    for (int i = 0; i < N_BACKENDS; i++)
        if (!strcmp(name, table[i]->name)) return table[i];
    for (int i = 0; i < N_BACKENDS; i++) lt_buf_printf(&known, ", %s", table[i]->name);
    lt_fail(e, LT_EINVAL, "backend '%s' is not one of auto%s", name, known.failed ? "" : known.data);
    lt_buf_release(&known);
    return NULL;
}

lt_status lt_backend_open(const char *name, struct lt_backend **out, struct lt_err *e) {
    const struct lt_backend_ops *ops = find(name, e);
    struct lt_backend *b;
    lt_status s;
    if (!ops) return LT_EINVAL;
    if (!(b = lt_calloc(1, sizeof(*b)))) return lt_fail(e, LT_ENOMEM, "backend %s", ops->name);
    b->ops = ops;
    b->kernels = ops->kernels();
    b->gemm = ops->gemm ? ops->gemm() : b->kernels->gemm;
    if (ops->dense->open && (s = ops->dense->open(b, e))) {
        lt_backend_close(b);
        return s;
    }
    *out = b;
    return LT_OK;
}

void lt_backend_close(struct lt_backend *b) {
    if (!b) return;
    if (b->ops->dense->close) b->ops->dense->close(b);
    lt_free(b->ws);
    lt_free(b);
}
