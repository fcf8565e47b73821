/*
 * The table of operators: everything that is said once about each of them. An operator is added here, in enum lt_op, in
 * the builders (graph.c), the costs (cost.c) and the runtime's backends; the conformance tests then find it.
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
};

static const char *const act_names[LT_N_ACTS] = {
    [LT_ACT_NONE] = "none",         [LT_ACT_RELU] = "relu",       [LT_ACT_RELU6] = "relu6", [LT_ACT_HSWISH] = "hswish",
    [LT_ACT_HSIGMOID] = "hsigmoid", [LT_ACT_SIGMOID] = "sigmoid", [LT_ACT_SILU] = "silu",   [LT_ACT_TANH] = "tanh",
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
