/* Cells as others see them: names, numbers and edges. */
#include "spaces/cell.h"

void cell_view(const struct cell_space *c, const struct lt_arch *a, int kind, struct lt_cell_view *out) {
    const struct cell_kind *k = &c->kind[kind];
    struct cell_plan p;
    struct lt_cell_view v = {.name = k->name, .n_inputs = k->n_inputs, .n_nodes = k->n_nodes};

    if (k->n_nodes - k->n_inputs > 1 && k->output != CELL_OUT_LAST)
        v.joined = k->output == CELL_OUT_CONCAT ? "concat" : "sum";
    cell_resolve(k, a, &p);
    for (int to = k->n_inputs; to < k->n_nodes; to++) {
        for (int i = 0; i < p.n[to] && v.n_links < LT_MAX_CELL_LINKS; i++) {
            const struct cell_link *l = &p.link[to][i];

            v.link[v.n_links++] = (struct lt_cell_link){.from = l->from,
                                                        .to = to,
                                                        .operation = c->op[l->op].name,
                                                        .operation_index = l->op,
                                                        .nothing = c->op[l->op].zero};
        }
    }
    *out = v;
}
