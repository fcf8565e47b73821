/*
 * Gradient of layer normalization, in double: with xhat the normalized value and g = dy * gamma,
 * dx = (g - mean(g) - xhat * mean(g * xhat)) / sqrt(var + eps); without the first mean for the root mean square.
 */
#include "runtime/kernels/kernels.h"
#include <math.h>

void lt_layernorm_backward(const float *x, const float *dy, int64_t rows, int c, const float *gamma, float eps, bool rms, float *dx,
                           float *dgamma, float *dbeta)
{
    for (int64_t r = 0; r < rows; r++, x += c, dy += c) {
        double mean = 0, square = 0, g_sum = 0, gx_sum = 0;
        for (int i = 0; i < c && !rms; i++)
            mean += (double)x[i] / c;
        for (int i = 0; i < c; i++)
            square += (x[i] - mean) * (x[i] - mean) / c;
        const double scale = 1 / sqrt(square + eps);
        for (int i = 0; i < c; i++) {
            const double xhat = (x[i] - mean) * scale, g = (double)dy[i] * gamma[i];
            g_sum += rms ? 0 : g / c;
            gx_sum += g * xhat / c;
            dgamma[i] += (float)(dy[i] * xhat);
            if (dbeta)
                dbeta[i] += dy[i];
        }
        for (int i = 0; i < c && dx; i++)
            dx[r * c + i] = (float)((dy[i] * (double)gamma[i] - g_sum - (x[i] - mean) * scale * gx_sum) * scale);
    }
}
