/*
 * Sensitivity by quantization error: root mean square of w - Q(w), relative to max|w|. Needs no data.
 * Source: Schaefer et al., arXiv 2302.01382. Deviation: Q has one scale per output channel, as our int8 layers have.
 */
#include <math.h>
#include "graph/quantize.h"
#include "quant/quant_priv.h"

int lt_quant_weight_param(const struct lt_graph *g, int layer) {
    const struct lt_node *n = &g->node[layer];
    for (int i = 0; i < n->n_params; i++)
        if (g->param[n->param[i]].role == LT_PARAM_WEIGHT) return n->param[i];
    LT_BUG("%s has no weight", n->name);
}

double lt_quant_weight_error(const struct lt_quant_job *job, int layer) {
    int p = lt_quant_weight_param(job->graph, layer);
    int64_t oc = job->graph->param[p].dim[0], per = job->graph->param[p].count / oc;
    double sum = 0;
    for (int64_t o = 0; o < oc; o++) {
        const float *row = job->weights->data[p] + o * per;
        float sw = lt_weight_scale(row, per, 0, 1, job->weight_qmax);
        for (int64_t i = 0; i < per; i++) {
            double d = (double)row[i] - (double)lt_weight_quantize(row[i], sw, job->weight_qmax) * (double)sw;
            sum += d * d;
        }
    }
    return sum;
}

static lt_status score(const struct lt_quant_job *job, const struct lt_quant_cfg *cfg, const int *layer, int n,
                       double *out, struct lt_err *e) {
    (void)cfg, (void)e;
    for (int k = 0; k < n; k++) {
        const struct lt_param *p = &job->graph->param[lt_quant_weight_param(job->graph, layer[k])];
        const float *w = job->weights->data[lt_quant_weight_param(job->graph, layer[k])];
        double top = 0;
        for (int64_t i = 0; i < p->count; i++) top = fmax(top, fabs((double)w[i]));
        out[k] = top > 0 ? sqrt(lt_quant_weight_error(job, layer[k]) / (double)p->count) / top : 0;
    }
    return LT_OK;
}

const struct lt_quant_metric_ops lt_quant_metric_qe = {"qe", "Schaefer et al., arXiv 2302.01382, quantization error",
                                                       score, NULL};
