/*
 * Dense and grouped convolutions of training without a library: plain loops for the reference backend, im2col and a
 * matrix product elsewhere.
 */
#include "runtime/train_priv.h"

static int64_t no_scratch(const struct lt_conv *d) {
    (void)d;
    return 0;
}

static lt_status plain_forward(struct lt_backend *b, const struct lt_conv *d, const float *x, const float *w, float *y,
                               float *scratch, struct lt_err *e) {
    (void)b, (void)scratch, (void)e;
    lt_conv_forward_plain(d, x, w, NULL, y);
    return LT_OK;
}

static lt_status plain_data(struct lt_backend *b, const struct lt_conv *d, const float *dy, const float *w, float *dx,
                            float *scratch, struct lt_err *e) {
    (void)b, (void)scratch, (void)e;
    lt_conv_backward_data_plain(d, dy, w, dx);
    return LT_OK;
}

static lt_status plain_weights(struct lt_backend *b, const struct lt_conv *d, const float *x, const float *dy,
                               float *gw, float *scratch, struct lt_err *e) {
    (void)b, (void)scratch, (void)e;
    lt_conv_backward_weights_plain(d, x, dy, gw);
    return LT_OK;
}

const struct lt_dense lt_dense_plain = {
    .name = "plain",
    .scratch = no_scratch,
    .forward = plain_forward,
    .backward_data = plain_data,
    .backward_weights = plain_weights,
};

static lt_status im2col_forward(struct lt_backend *b, const struct lt_conv *d, const float *x, const float *w, float *y,
                                float *scratch, struct lt_err *e) {
    (void)e;
    lt_conv_forward(d, b->gemm, x, w, NULL, y, scratch);
    return LT_OK;
}

static lt_status im2col_data(struct lt_backend *b, const struct lt_conv *d, const float *dy, const float *w, float *dx,
                             float *scratch, struct lt_err *e) {
    (void)e;
    lt_conv_backward_data(d, b->gemm, dy, w, dx, scratch);
    return LT_OK;
}

static lt_status im2col_weights(struct lt_backend *b, const struct lt_conv *d, const float *x, const float *dy,
                                float *gw, float *scratch, struct lt_err *e) {
    (void)e;
    lt_conv_backward_weights(d, b->gemm, x, dy, gw, scratch);
    return LT_OK;
}

const struct lt_dense lt_dense_im2col = {
    .name = "im2col",
    .scratch = lt_conv_scratch,
    .forward = im2col_forward,
    .backward_data = im2col_data,
    .backward_weights = im2col_weights,
};
