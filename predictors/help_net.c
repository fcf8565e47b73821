/*
 * HELP: the network and the gradient through its own learning (help_net.h).
 *
 * With theta_0 = theta changed by z, theta_k+1 = theta_k - a * g(theta_k) (elementwise) and v_2 the gradient of the
 * queries' error at theta_2, the chain rule gives, for k = 1, 0,
 *     da -= g(theta_k) * v_k+1,    v_k = v_k+1 - H(theta_k) (a * v_k+1)
 * where g and H are gradient and Hessian of the supports' error; so nothing is needed but two products with a Hessian.
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#endif
#include <math.h>
#include <string.h>
#include "lathe/mem.h"
#include "predictors/help_net.h"

#define Z_SCALE ((lt_real)0.01) /* of z's effect */
#define FIRST_STEP 1e-3         /* step sizes before learning */
#define INIT_ROUND_Z 1

/* The three networks that share theta: all calls must come in the same order. */
static struct lt_nn *network(struct lt_help_net *h, int max_items, enum lt_nn_purpose purpose, struct lt_err *e) {
    const struct lt_help_shape *s = &h->shape;
    struct lt_nn *n = lt_nn_new();
    int x = lt_nn_input(n, s->nodes, s->cols, false), hw = lt_nn_input(n, 1, s->references, true), H = s->hidden;

    h->x = x;
    h->hw = hw;
    if (s->graph) {
        for (int k = 0; k < 4; k++) {
            if (k == 3) x = lt_nn_propagate(n, x, s->graph + (s->nodes - 1) * s->nodes, 1);
            if (k == 1 || k == 2) x = lt_nn_propagate(n, x, s->graph, s->nodes);
            x = lt_nn_dense(n, x, H, true, LT_NN_SMALL);
        }
    } else {
        x = lt_nn_dense(n, x, H, true, LT_NN_LINEAR);
        x = lt_nn_dense(n, x, H, true, LT_NN_LINEAR);
    }
    hw = lt_nn_dense(n, hw, H, true, LT_NN_LINEAR);
    hw = lt_nn_dense(n, hw, H, true, LT_NN_LINEAR);
    for (int k = 0; k < 3; k++) {
        int cols = k < 2 ? 2 * H : 1;

        h->w[k] = lt_nn_param(n, 2 * H * cols, 1 / sqrt(2 * H), 0);
        h->b[k] = lt_nn_param(n, cols, 1 / sqrt(2 * H), 0);
        if (k == 0) { /* the device's half of what layer 0 reads is the same for all architectures */
            hw = lt_nn_dense_at(n, hw, cols, false, h->w[k] + H * cols, h->b[k]);
            x = lt_nn_add(n, lt_nn_dense_at(n, x, cols, false, h->w[k], -1), hw, 1, true);
        } else {
            x = lt_nn_dense_at(n, x, cols, k < 2, h->w[k], h->b[k]);
        }
    }
    if (lt_nn_ready(n, max_items, purpose, e)) {
        lt_nn_free(n);
        return NULL;
    }
    h->n_theta = lt_nn_n_params(n);
    return n;
}

static struct lt_nn *latent_network(struct lt_help_net *h, struct lt_err *e) {
    struct lt_nn *n = lt_nn_new();
    int x = lt_nn_dense(n, lt_nn_input(n, 1, h->shape.references, true), 10, true, LT_NN_LINEAR);

    lt_nn_dense(n, x, 2 * h->n_latent, false, LT_NN_LINEAR);
    if (lt_nn_ready(n, 1, LT_NN_GRADIENT, e)) {
        lt_nn_free(n);
        return NULL;
    }
    h->n_z = lt_nn_n_params(n);
    return n;
}

lt_status lt_help_net_new(const struct lt_help_shape *s, int max_support, int max_query, struct lt_help_net **out,
                          struct lt_err *e) {
    struct lt_help_net *h = lt_calloc(1, sizeof(*h));
    size_t p, z, size;
    lt_real *m;

    if (!h) return lt_fail(e, LT_ENOMEM, "predictor 'help': out of memory");
    h->shape = *s;
    h->n_latent = 3 * (2 * s->hidden + 1);
    h->max_support = max_support;
    h->max_query = max_query;
    if (!(h->step[0] = network(h, max_support, LT_NN_HESSIAN, e)) ||
        !(h->step[1] = network(h, max_support, LT_NN_HESSIAN, e)) ||
        !(h->query = network(h, max_query, LT_NN_GRADIENT, e)) || !(h->z = latent_network(h, e)))
        goto out;
    p = (size_t)h->n_theta;
    z = (size_t)h->n_z;
    size = (8 * p + z + (size_t)h->n_latent + (size_t)(max_query > max_support ? max_query : max_support)) * sizeof(*m);
    if (!(m = h->memory = lt_aligned(size))) {
        lt_fail(e, LT_ENOMEM, "predictor 'help': out of memory");
        goto out;
    }
    memset(m, 0, size); /* what no operator uses stays 0 */
    for (int k = 0; k < 3; k++, m += p) h->t[k] = m;
    for (int k = 0; k < 2; k++, m += p) h->g[k] = m;
    h->v = m;
    h->u = m + p;
    h->hv = m + 2 * p;
    h->zg = m + 3 * p;
    h->zv = h->zg + z;
    h->y = h->zv + h->n_latent;
    *out = h;
    return LT_OK;
out:
    lt_help_net_free(h);
    return LT_ENOMEM;
}

void lt_help_net_free(struct lt_help_net *n) {
    if (!n) return;
    lt_nn_free(n->step[0]);
    lt_nn_free(n->step[1]);
    lt_nn_free(n->query);
    lt_nn_free(n->z);
    lt_free(n->memory);
    lt_free(n);
}

int lt_help_net_learned(const struct lt_help_net *n) { return 2 * n->n_theta + n->n_z; }

void lt_help_net_init(const struct lt_help_net *n, lt_real *learned, uint64_t seed) {
    lt_nn_init(n->query, learned, seed, 0);
    for (int i = 0; i < n->n_theta; i++) learned[n->n_theta + i] = (lt_real)FIRST_STEP;
    lt_nn_init(n->z, learned + 2 * n->n_theta, seed, INIT_ROUND_Z);
}

static lt_real softplus(lt_real x) { return (lt_real)(x > 20 ? x : log1p(exp((double)x))); }

/* z of a task into n->zv, theta_0 into out. Returns the divergence of z's distribution from a standard normal. */
static double start(struct lt_help_net *n, const lt_real *learned, const struct lt_help_task *t, lt_real *out) {
    const lt_real *stats = lt_nn_value(n->z, 2);
    int width = 2 * n->shape.hidden;
    double kl = 0;

    memcpy(lt_nn_value(n->z, 0), t->reference, (size_t)n->shape.references * sizeof(lt_real));
    lt_nn_forward(n->z, 1, learned + 2 * n->n_theta);
    for (int i = 0; i < n->n_latent; i++) {
        double mu = stats[i], sigma = fmax(softplus(stats[n->n_latent + i]), 1e-6);

        n->zv[i] = (lt_real)(mu + sigma * (double)t->noise[i]);
        kl += (sigma * sigma + mu * mu - 1) / 2 - log(sigma);
    }
    memcpy(out, learned, (size_t)n->n_theta * sizeof(*out));
    for (int k = 0; k < 3; k++) {
        int cols = k < 2 ? width : 1;

        for (int i = 0; i < width; i++) {
            lt_real f = 1 + Z_SCALE * n->zv[k * width + i], *w = out + n->w[k] + i * cols;
            for (int j = 0; j < cols; j++) w[j] *= f;
        }
        for (int j = 0; j < cols; j++) out[n->b[k] + j] += Z_SCALE * n->zv[3 * width + k];
    }
    return kl;
}

static void fill(struct lt_help_net *n, struct lt_nn *net, const lt_real *reference, const lt_real *all_x,
                 const int32_t *row, int count) {
    size_t size = (size_t)n->shape.nodes * (size_t)n->shape.cols;
    lt_real *x = lt_nn_value(net, n->x);

    memcpy(lt_nn_value(net, n->hw), reference, (size_t)n->shape.references * sizeof(lt_real));
    for (int i = 0; i < count; i++)
        memcpy(x + (size_t)i * size, all_x + (size_t)(row ? row[i] : i) * size, size * sizeof(*x));
}

static void targets(const struct lt_help_task *t, const int32_t *row, int count, lt_real *y) {
    for (int i = 0; i < count; i++) y[i] = t->y[row[i]];
}

/* y - a * g */
static void descend(const lt_real *restrict x, const lt_real *restrict a, const lt_real *restrict g, int count,
                    lt_real *restrict out) {
    for (int i = 0; i < count; i++) out[i] = x[i] - a[i] * g[i];
}

/* theta_1 and theta_2 from theta_0 = n->t[0]. */
static void inner(struct lt_help_net *n, const lt_real *learned, const struct lt_help_task *t, lt_real *theta2) {
    targets(t, t->support, t->n_support, n->y);
    for (int k = 0; k < 2; k++) {
        fill(n, n->step[k], t->reference, t->all_x, t->support, t->n_support);
        lt_nn_forward(n->step[k], t->n_support, n->t[k]);
        lt_nn_mse(n->step[k], n->y);
        lt_nn_backward(n->step[k], n->t[k], n->g[k]);
        descend(n->t[k], learned + n->n_theta, n->g[k], n->n_theta, k == 1 ? theta2 : n->t[1]);
    }
}

/* The gradient for theta and z from that for theta_0, which is n->v. */
static void unmodulate(struct lt_help_net *n, const lt_real *learned, const struct lt_help_task *t, double kl,
                       lt_real share, lt_real *grad) {
    const lt_real *stats = lt_nn_value(n->z, 2);
    lt_real *zgrad = lt_nn_gradient(n->z, 2), *gz = grad + 2 * n->n_theta;
    int width = 2 * n->shape.hidden;

    for (int k = 0; k < 3; k++) {
        int cols = k < 2 ? width : 1;
        lt_real sum = 0;

        for (int i = 0; i < width; i++) {
            lt_real f = 1 + Z_SCALE * n->zv[k * width + i], dot = 0, *v = n->v + n->w[k] + i * cols;
            const lt_real *w = learned + n->w[k] + i * cols;

            for (int j = 0; j < cols; j++) {
                dot += v[j] * w[j];
                v[j] *= f;
            }
            zgrad[k * width + i] = Z_SCALE * dot;
        }
        for (int j = 0; j < cols; j++) sum += n->v[n->b[k] + j];
        zgrad[3 * width + k] = Z_SCALE * sum;
    }
    for (int i = 0; i < n->n_theta; i++) grad[i] += share * n->v[i];
    for (int i = 0; i < n->n_latent; i++) {
        double mu = stats[i], s = stats[n->n_latent + i], raw = softplus((lt_real)s), sigma = fmax(raw, 1e-6);
        double dz = zgrad[i], dsigma = raw > 1e-6 ? dz * (double)t->noise[i] + kl * (sigma - 1 / sigma) : 0;

        zgrad[i] = (lt_real)(dz + kl * mu);
        zgrad[n->n_latent + i] = (lt_real)(dsigma / (1 + exp(-s)));
    }
    lt_nn_backward(n->z, learned + 2 * n->n_theta, n->zg);
    for (int i = 0; i < n->n_z; i++) gz[i] += share * n->zg[i];
}

double lt_help_net_task(struct lt_help_net *n, const lt_real *learned, const struct lt_help_task *t, double kl,
                        double share, lt_real *grad) {
    const lt_real *restrict a = learned + n->n_theta;
    lt_real *restrict ga = grad + n->n_theta, *restrict v = n->v, *restrict u = n->u;
    double divergence = start(n, learned, t, n->t[0]), loss;

    inner(n, learned, t, n->t[2]);
    fill(n, n->query, t->reference, t->all_x, t->query, t->n_query);
    targets(t, t->query, t->n_query, n->y);
    lt_nn_forward(n->query, t->n_query, n->t[2]);
    loss = lt_nn_mse(n->query, n->y) + kl * divergence;
    lt_nn_backward(n->query, n->t[2], v);
    for (int k = 1; k >= 0; k--) {
        const lt_real *restrict g = n->g[k], *restrict hv = n->hv;

        for (int i = 0; i < n->n_theta; i++) {
            u[i] = a[i] * v[i];
            ga[i] -= (lt_real)share * g[i] * v[i];
        }
        lt_nn_hessian(n->step[k], n->t[k], u, 1 / (lt_real)t->n_support, n->hv);
        for (int i = 0; i < n->n_theta; i++) v[i] -= hv[i];
    }
    unmodulate(n, learned, t, kl, (lt_real)share, grad);
    return loss * share;
}

void lt_help_net_adapt(struct lt_help_net *n, const lt_real *learned, const struct lt_help_task *t, lt_real *theta) {
    start(n, learned, t, n->t[0]);
    inner(n, learned, t, theta);
}

void lt_help_net_predict(struct lt_help_net *n, const lt_real *theta, const lt_real *reference, const lt_real *all_x,
                         const int32_t *row, int count, lt_real *y) {
    size_t size = (size_t)n->shape.nodes * (size_t)n->shape.cols;

    for (int i = 0; i < count; i += n->max_query) {
        int k = count - i < n->max_query ? count - i : n->max_query;

        fill(n, n->query, reference, row ? all_x : all_x + (size_t)i * size, row ? row + i : NULL, k);
        lt_nn_forward(n->query, k, theta);
        memcpy(y + i, lt_nn_output(n->query), (size_t)k * sizeof(*y));
    }
}
