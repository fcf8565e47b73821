/*
 * Where the time of an INFER session goes: one entry per fused unit and per inserted conversion, in execution order,
 * timed inside whole-network runs so that caches are as warm or cold as they are in use. The sum of medians is a little
 * above the median of lt_session_forward (a clock is read between units).
 */
#ifndef LATHE_INFER_PROFILE_H
#define LATHE_INFER_PROFILE_H
#include "lathe/runtime.h"
#ifdef __cplusplus
extern "C" {
#endif
enum lt_unit_kind {
    LT_UNIT_OP,       /* a node with what was fused into it */
    LT_UNIT_QUANTIZE, /* f32 -> u8/s8 of a node's output, inserted for its int8 readers */
    LT_UNIT_LAYOUT /* the caller's [N,C,H,W] into the session's channels-last, or a copy that a fused residual needs */
};
struct lt_unit_time {
    enum lt_unit_kind kind;
    int node;            /* anchor: the CONV/LINEAR, or the single node; of QUANTIZE and LAYOUT: the tensor's node */
    int last;            /* last node fused in (= node when nothing is): the tensor that the unit writes */
    enum lt_dtype dtype; /* OP: LT_I8 when computed in int8, else LT_F32; QUANTIZE: LT_U8 or LT_I8 */
    enum lt_dtype out_dtype; /* what it writes: LT_F32, or LT_U8/LT_I8 when requantization is fused */
    double median_s;         /* per run of the whole batch */
};
/* Runs the network `runs` times (after a few warm-up runs) on x [batch,C,H,W]. *out: lt_free. INFER sessions with
 * weights only. */
lt_status lt_session_time_units(struct lt_session *s, const float *x, int runs, struct lt_unit_time **out, int *n,
                                struct lt_err *e);
#ifdef __cplusplus
}
#endif
#endif
