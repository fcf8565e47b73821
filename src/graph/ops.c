/*
 * The table of operators: everything that is said once about each of them. An operator is added here, in enum lt_op, in
 * the builders (build.c, build_seq.c), the costs (cost.c) and the runtime's backends; the conformance tests then find
 * it.
 */
#include <string.h>
#include "graph/ops.h"

const struct lt_op_info lt_op_table[LT_N_OPS] = {
    [LT_OP_INPUT] = {"input", 0, NULL},
    [LT_OP_CONV] = {"conv", 1, lt_shape_conv},
    [LT_OP_BN] = {"bn", 1, lt_shape_same},
    [LT_OP_LINEAR] = {"linear", 1, lt_shape_linear},
    [LT_OP_ACT] = {"act", 1, lt_shape_same},
    [LT_OP_POOL] = {"pool", 1, lt_shape_pool},
    [LT_OP_GAP] = {"gap", 1, lt_shape_gap},
    [LT_OP_ADD] = {"add", 2, lt_shape_add},
    [LT_OP_MUL] = {"mul", 2, lt_shape_mul},
    [LT_OP_FLATTEN] = {"flatten", 1, lt_shape_flatten},
    [LT_OP_SOFTMAX] = {"softmax", 1, lt_shape_same},
    [LT_OP_CONCAT] = {"concat", LT_ANY_IN, lt_shape_concat},
    [LT_OP_SLICE] = {"slice", 1, lt_shape_slice},
    [LT_OP_SHUFFLE] = {"shuffle", 1, lt_shape_shuffle},
    [LT_OP_ZERO] = {"zero", 1, lt_shape_zero},
    [LT_OP_LAYERNORM] = {"layernorm", 1, lt_shape_same},
    [LT_OP_TOKENS] = {"tokens", 1, lt_shape_tokens},
    [LT_OP_GRID] = {"grid", 1, lt_shape_grid},
    [LT_OP_WINDOW] = {"window", 1, lt_shape_window},
    [LT_OP_EMBED] = {"embed", 1, lt_shape_embed},
    [LT_OP_POSITION] = {"position", 1, lt_shape_position},
    [LT_OP_PREPEND] = {"prepend", 1, lt_shape_prepend},
    [LT_OP_ATTENTION] = {"attention", 3, lt_shape_attention},
    [LT_OP_LINATTN] = {"linattn", 3, lt_shape_linattn},
    [LT_OP_SHORTCONV] = {"shortconv", 1, lt_shape_shortconv},
};

static const char *const act_names[LT_N_ACTS] = {
    [LT_ACT_NONE] = "none",     [LT_ACT_RELU] = "relu",         [LT_ACT_RELU6] = "relu6",
    [LT_ACT_HSWISH] = "hswish", [LT_ACT_HSIGMOID] = "hsigmoid", [LT_ACT_SIGMOID] = "sigmoid",
    [LT_ACT_SILU] = "silu",     [LT_ACT_TANH] = "tanh",         [LT_ACT_GELU] = "gelu",
};

const char *lt_op_name(enum lt_op op) { return (int)op >= 0 && op < LT_N_OPS ? lt_op_table[op].name : "?"; }

const char *lt_act_name(enum lt_act a) { return (int)a >= 0 && a < LT_N_ACTS ? act_names[a] : "?"; }

bool lt_act_parse(const char *name, enum lt_act *out) {
    for (int i = 0; i < LT_N_ACTS; i++) {
        if (!strcmp(name, act_names[i])) {
            *out = (enum lt_act)i;
            return true;
        }
    }
    return false;
}
