/* Room: cli. The JSON Schema of `cells:`. */
#include "cli/space_schema.h"

static void step(struct lt_jw *w) {
    static const char *const word[] = {"conv", "dw", "max", "avg"};
    lt_jw_key(w, "step");
    lt_jw_obj(w);
    lt_jw_key(w, "anyOf");
    lt_jw_arr(w);
    lt_jw_obj(w);
    lt_jw_key(w, "enum");
    lt_jw_arr(w);
    lt_jw_str(w, "bn");
    lt_jw_str(w, "zero");
    lt_jw_str(w, "factorized");
    for (int i = 1; i < LT_N_ACTS; i++) lt_jw_str(w, lt_act_name((enum lt_act)i));
    lt_jw_arr_end(w);
    lt_jw_obj_end(w);
    for (int i = 0; i < 4; i++) {
        schema_object(w);
        schema_required(w, word[i], NULL);
        lt_jw_key(w, "properties");
        lt_jw_obj(w);
        schema_fixed(w, word[i], "side of the kernel", 1, 31);
        schema_fixed(w, "stride", "in place of the edge's", 1, 8);
        schema_fixed(w, "pad", "on each side; by default what keeps the size", 0, 496);
        if (i < 2) schema_fixed(w, "dilation", "distance of the kernel's elements", 1, 32);
        if (i == 0) {
            schema_fixed(w, "groups", "of channels", 1, 16384);
            schema_fixed(w, "channels", "that go out, in place of the cell's", 1, 16384);
            lt_jw_key(w, "expand");
            schema_scalar(w, false, 0.01, 64, NULL);
        }
        lt_jw_obj_end(w);
        lt_jw_obj_end(w);
    }
    lt_jw_arr_end(w);
    lt_jw_obj_end(w);
}

static void operation(struct lt_jw *w) {
    lt_jw_key(w, "operation");
    lt_jw_obj(w);
    lt_jw_key(w, "anyOf");
    lt_jw_arr(w);
    lt_jw_obj(w);
    schema_type(w, "array");
    lt_jw_kint(w, "maxItems", 16);
    schema_named(w, "items", "#/definitions/step");
    lt_jw_obj_end(w);
    schema_object(w);
    schema_required(w, "steps", NULL);
    lt_jw_key(w, "properties");
    lt_jw_obj(w);
    schema_list_of(w, "steps", "what it does", "#/definitions/step", 0);
    schema_list_of(w, "strided", "what it does on edges of stride above 1", "#/definitions/step", 0);
    lt_jw_obj_end(w);
    lt_jw_obj_end(w);
    lt_jw_arr_end(w);
    lt_jw_obj_end(w);
}

static void cell_kind(struct lt_jw *w) {
    static const char *const outputs[] = {"last", "concat", "sum", NULL};
    lt_jw_key(w, "cell");
    schema_object(w);
    schema_required(w, "name", "nodes");
    lt_jw_key(w, "properties");
    lt_jw_obj(w);
    schema_string(w, "name", "of the kind");
    schema_fixed(w, "inputs", "outputs of so many parts of the stack, the newest last", 1, 4);
    schema_fixed(w, "nodes", "of its own", 1, 11);
    schema_fixed(w, "stride", "of edges that leave an input", 1, 8);
    schema_fixed(w, "keep", "inputs that each node keeps", 1, 4);
    schema_string(w, "preprocess", "operation on every input");
    lt_jw_key(w, "output");
    schema_scalar(w, true, 0, 0, outputs);
    schema_any(w, "choices", "operations of edges that name none");
    lt_jw_key(w, "edges");
    lt_jw_obj(w);
    schema_type(w, "array");
    lt_jw_key(w, "items");
    schema_object(w);
    schema_required(w, "from", "to");
    lt_jw_key(w, "properties");
    lt_jw_obj(w);
    schema_fixed(w, "from", "node", 0, 10);
    schema_fixed(w, "to", "node", 1, 11);
    schema_any(w, "operation", "one, or a list: a choice");
    lt_jw_obj_end(w);
    lt_jw_obj_end(w);
    lt_jw_obj_end(w);
    lt_jw_obj_end(w);
    lt_jw_obj_end(w);
}

static void cells(struct lt_jw *w) {
    static const char *const unused[] = {"drop", "keep", NULL};
    static const char *const all[] = {"operations", "kinds", "stack", NULL};
    lt_jw_key(w, "cells");
    schema_object(w);
    schema_words(w, "required", all);
    lt_jw_key(w, "properties");
    lt_jw_obj(w);
    lt_jw_key(w, "operations");
    lt_jw_obj(w);
    schema_type(w, "object");
    schema_named(w, "additionalProperties", "#/definitions/operation");
    lt_jw_obj_end(w);
    schema_any(w, "choices", "operations of edges that name none");
    lt_jw_key(w, "unused");
    schema_scalar(w, true, 0, 0, unused);
    schema_list_of(w, "kinds", "of cells", "#/definitions/cell", 1);
    schema_list_of(w, "stack", "what the network is a stack of", "#/definitions/part", 1);
    lt_jw_obj_end(w);
    lt_jw_obj_end(w);
}

static void part(struct lt_jw *w) {
    lt_jw_key(w, "part");
    schema_object(w);
    schema_required(w, "name", NULL);
    lt_jw_key(w, "properties");
    lt_jw_obj(w);
    schema_string(w, "name", "begins the names of its nodes");
    schema_string(w, "cell", "a kind of cell");
    schema_number(w, "repeat", "cells in a row", 1, 64);
    schema_number(w, "channels", "of the cell, of the steps' convolutions", 1, 16384);
    schema_list_of(w, "steps", "in place of `cell`", "#/definitions/step", 0);
    lt_jw_obj_end(w);
    lt_jw_obj_end(w);
}

void schema_cells(struct lt_jw *w) {
    cells(w);
    cell_kind(w);
    part(w);
    operation(w);
    step(w);
}
