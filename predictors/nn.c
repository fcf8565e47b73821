/* Small networks: building, memory, and the order of computation. See nn.h. */
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/nn_priv.h"

#define ROUND16(x) (((size_t)(x) + 15) & ~(size_t)15)

struct lt_nn *lt_nn_new(void) {
    return lt_calloc(1, sizeof(struct lt_nn));
}

void lt_nn_free(struct lt_nn *n) {
    if (!n) return;
    for (int i = 0; i < n->n; i++) lt_free(n->node[i].graph);
    lt_free(n->memory);
    lt_free(n);
}

static int add(struct lt_nn *n, struct lt_nn_node v) {
    if (!n || n->failed) return 0;
    LT_CHECK(n->n < LT_NN_MAX);
    v.learns = v.w >= 0 || v.bias >= 0;
    for (int k = 0; k < 2; k++)
        if (v.in[k] >= 0) v.learns |= n->node[v.in[k]].learns;
    n->node[n->n] = v;
    return n->n++;
}

static struct lt_nn_node like(const struct lt_nn *n, enum lt_nn_op op, int a, int b) {
    struct lt_nn_node v = {.op = op, .in = {a, b}, .w = -1, .bias = -1, .scale = 1};

    if (!n || n->failed) return v;
    v.per = n->node[a].per;
    v.cols = n->node[a].cols;
    v.shared = n->node[a].shared;
    if (b >= 0) {
        const struct lt_nn_node *x = &n->node[b];
        LT_CHECK(x->shared ? x->per == 1 || x->per == v.per : !v.shared && (x->per == 1 || x->per == v.per));
    }
    return v;
}

int lt_nn_input(struct lt_nn *n, int per, int cols, bool shared) {
    return add(n, (struct lt_nn_node){
                      .op = NN_INPUT, .in = {-1, -1}, .per = per, .cols = cols, .shared = shared, .w = -1, .bias = -1});
}

static int place(struct lt_nn *n, int count, double bound, double value, bool normal) {
    int at;

    if (!n || n->failed) return 0;
    LT_CHECK(n->n_places < 2 * LT_NN_MAX);
    at = n->n_params;
    n->place[n->n_places++] =
        (struct lt_nn_place){.at = at, .count = count, .bound = bound, .value = value, .normal = normal};
    n->n_params += (int)ROUND16(count);
    return at;
}

int lt_nn_param(struct lt_nn *n, int count, double bound, double value) { return place(n, count, bound, value, false); }

int lt_nn_dense_at(struct lt_nn *n, int x, int cols, bool relu, int w, int bias) {
    struct lt_nn_node v = like(n, NN_DENSE, x, -1);

    v.cols = cols;
    v.relu = relu;
    v.w = w;
    v.bias = bias;
    return add(n, v);
}

int lt_nn_dense(struct lt_nn *n, int x, int cols, bool relu, enum lt_nn_start start) {
    int in, w, b;
    double fan_in, fan_out = 1 / sqrt(cols);

    if (!n || n->failed) return 0;
    in = n->node[x].cols;
    fan_in = 1 / sqrt(in);
    w = place(n, in * cols,
              start == LT_NN_GRAPH   ? fan_out
              : start == LT_NN_SMALL ? 0.05
                                     : fan_in,
              0, start == LT_NN_TABLE);
    b = start == LT_NN_TABLE || start == LT_NN_NO_BIAS
            ? -1
            : place(n, cols, start == LT_NN_LINEAR ? fan_in : fan_out, 0, false);
    return lt_nn_dense_at(n, x, cols, relu, w, b);
}

static int with_graph(struct lt_nn *n, struct lt_nn_node v, const double *a, int to, int from) {
    if (!n || n->failed) return 0;
    if (!(v.graph = lt_malloc((size_t)to * (size_t)from * sizeof(double)))) {
        n->failed = true;
        return 0;
    }
    memcpy(v.graph, a, (size_t)to * (size_t)from * sizeof(double));
    return add(n, v);
}

int lt_nn_propagate(struct lt_nn *n, int x, const double *a, int to) {
    struct lt_nn_node v = like(n, NN_PROPAGATE, x, -1);
    int from = v.per;

    v.per = to;
    return with_graph(n, v, a, to, from);
}

int lt_nn_attend(struct lt_nn *n, int x, const double *a) {
    struct lt_nn_node v = like(n, NN_ATTEND, x, -1);

    if (n && !n->failed) v.w = place(n, v.cols, 1 / sqrt(v.cols), 0, false);
    return with_graph(n, v, a, v.per, v.per);
}

int lt_nn_pool(struct lt_nn *n, int x, int weight) {
    struct lt_nn_node v = like(n, NN_POOL, x, weight);

    v.per = 1;
    return add(n, v);
}

int lt_nn_concat(struct lt_nn *n, int a, int b) {
    struct lt_nn_node v = like(n, NN_CONCAT, a, b);

    if (n && !n->failed) v.cols += n->node[b].cols;
    return add(n, v);
}

int lt_nn_add(struct lt_nn *n, int a, int b, double scale, bool relu) {
    struct lt_nn_node v = like(n, NN_ADD, a, b);

    v.scale = (lt_real)scale;
    v.relu = relu;
    return add(n, v);
}

int lt_nn_mul(struct lt_nn *n, int a, int b) { return add(n, like(n, NN_MUL, a, b)); }
int lt_nn_relu(struct lt_nn *n, int x) { return add(n, like(n, NN_RELU, x, -1)); }
int lt_nn_sigmoid(struct lt_nn *n, int x) { return add(n, like(n, NN_SIGMOID, x, -1)); }

int lt_nn_norm(struct lt_nn *n, int x) {
    struct lt_nn_node v = like(n, NN_NORM, x, -1);

    if (n && !n->failed) {
        v.w = place(n, v.cols, 0, 1, false);
        v.bias = place(n, v.cols, 0, 0, false);
    }
    return add(n, v);
}

static size_t values(const struct lt_nn_node *v, int max_items) {
    return ROUND16((size_t)v->per * (size_t)v->cols * (v->shared ? 1 : (size_t)max_items));
}

static size_t aux(const struct lt_nn *n, const struct lt_nn_node *v, int max_items) {
    if (v->op == NN_NORM) return values(v, max_items) + ROUND16((size_t)v->per * (v->shared ? 1 : (size_t)max_items));
    if (v->op == NN_ATTEND) return ROUND16(lt_nn_attend_aux(v, &n->node[v->in[0]], v->shared ? 1 : (size_t)max_items));
    return 0;
}

/* Hands out the memory, or counts it when there is none yet. */
static size_t lay_out(struct lt_nn *n, int max_items) {
    size_t used = 0;

    for (int i = 0; i < n->n; i++) {
        struct lt_nn_node *v = &n->node[i];
        size_t size = values(v, max_items);
        lt_real **part[] = {&v->y, &v->g, &v->ry, &v->rg};

        for (int k = 0; k < (n->purpose == LT_NN_FORWARD ? 1 : n->purpose == LT_NN_GRADIENT ? 2 : 4); k++) {
            if (n->memory) *part[k] = n->memory + used;
            used += size;
        }
        if (n->memory) v->aux = n->memory + used;
        used += aux(n, v, max_items);
    }
    return used;
}

lt_status lt_nn_ready(struct lt_nn *n, int max_items, enum lt_nn_purpose purpose, struct lt_err *e) {
    bool seen[LT_NN_MAX] = {false};
    size_t size;

    if (!n || n->failed) return lt_fail(e, LT_ENOMEM, "network: out of memory");
    n->max_items = max_items;
    n->purpose = purpose;
    size = lay_out(n, max_items) * sizeof(lt_real);
    if (!(n->memory = lt_aligned(size)))
        return lt_fail(e, LT_ENOMEM, "network: out of memory (%zu bytes for %d architectures)", size, max_items);
    memset(n->memory, 0, size);
    lay_out(n, max_items);
    for (int i = n->n - 1; i >= 0; i--) {
        struct lt_nn_node *v = &n->node[i];

        for (int k = 0; k < 2; k++) {
            if (v->in[k] < 0) continue;
            v->adds[k] = seen[v->in[k]];
            seen[v->in[k]] = true;
        }
    }
    return LT_OK;
}

int lt_nn_n_params(const struct lt_nn *n) { return n ? n->n_params : 0; }
int lt_nn_cols(const struct lt_nn *n, int t) { return n->node[t].cols; }
int lt_nn_rows_of(const struct lt_nn *n, int t, int items) {
    return n->node[t].shared ? n->node[t].per : n->node[t].per * items;
}
bool lt_nn_is_input(const struct lt_nn *n, int t) { return n->node[t].op == NN_INPUT; }
lt_real *lt_nn_value(const struct lt_nn *n, int t) { return n->node[t].y; }
lt_real *lt_nn_gradient(const struct lt_nn *n, int t) { return n->node[t].g; }
lt_real *lt_nn_output(const struct lt_nn *n) { return n->node[n->n - 1].y; }

void lt_nn_init(const struct lt_nn *n, lt_real *theta, uint64_t seed, uint64_t round) {
    memset(theta, 0, (size_t)n->n_params * sizeof(*theta));
    for (int p = 0; p < n->n_places; p++) {
        const struct lt_nn_place *l = &n->place[p];
        struct lt_rng r;

        lt_rng_at(&r, seed, LT_RNG_INIT, round, (uint64_t)p);
        for (int i = 0; i < l->count; i++) {
            theta[l->at + i] = (lt_real)(l->normal  ? lt_rng_normal(&r)
                                         : l->bound ? l->value + l->bound * (2 * lt_rng_u01(&r) - 1)
                                                    : l->value);
        }
    }
}

void lt_nn_forward(struct lt_nn *n, int items, const lt_real *theta) {
    LT_CHECK(items >= 1 && items <= n->max_items);
    n->items = items;
    for (int i = 0; i < n->n; i++) lt_nn_op_forward(n, &n->node[i], theta);
}

void lt_nn_backward(struct lt_nn *n, const lt_real *theta, lt_real *gtheta) {
    for (int i = n->n - 1; i >= 0; i--)
        if (n->node[i].learns) lt_nn_op_backward(n, &n->node[i], theta, gtheta);
}
