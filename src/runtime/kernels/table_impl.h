/*
 * The whole table of one instruction set: a kernels_<isa>.c defines LT_VL, LT_NARROWER, LT_TABLE (the table's symbol) and LT_TABLE_NAME,
 * selects the instruction set for the compiler, and includes this.
 */
#include "runtime/kernels/vec.h"
#include "runtime/kernels/dwconv_impl.h"
#include "runtime/kernels/channel_impl.h"
#include "runtime/kernels/flat_impl.h"
#include "runtime/kernels/gemm_impl.h"
#include "runtime/kernels/seq_impl.h"

const struct lt_kernels LT_TABLE = {
    .name = LT_TABLE_NAME,
    .dw_forward = dw_forward, .dw_backward_data = dw_backward_data, .dw_backward_weights = dw_backward_weights,
    .bn_stats = bn_stats, .bn_forward = bn_forward, .bn_backward = bn_backward, .affine = affine, .column_sums = column_sums,
    .act_forward = act_forward, .act_backward = act_backward, .add = add,
    .mul_forward = mul_forward, .mul_backward = mul_backward, .gap_forward = gap_forward, .gap_backward = gap_backward,
    .pool_forward = pool_forward, .pool_backward = pool_backward, .nchw_to_nhwc = nchw_to_nhwc, .nhwc_to_nchw = nhwc_to_nchw,
    .gemm = gemm, .layernorm = layernorm, .softmax = softmax, .elu1 = elu1, .quantize = quantize};
