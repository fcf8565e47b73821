/* One-sided Jacobi singular value decomposition; see svd.h. Meant for a few hundred columns. */
#include <math.h>
#include <string.h>
#include "predictors/svd.h"

#define MAX_SWEEPS 60
#define TOLERANCE 1e-14  /* cosine of two columns that count as orthogonal */
#define NEGLIGIBLE 1e-24 /* squared singular value, relative to the largest */

static double dot(const double *a, const double *b, int n) {
    double s[4] = {0}; /* four sums: the compiler may keep them apart, and always does so in this order */
    int i = 0;

    for (; i + 4 <= n; i += 4) {
        for (int k = 0; k < 4; k++) s[k] += a[i + k] * b[i + k];
    }
    for (; i < n; i++) s[0] += a[i] * b[i];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static void rotate(double *a, double *b, int n, double c, double s) {
    for (int i = 0; i < n; i++) {
        double x = a[i];

        a[i] = c * x - s * b[i];
        b[i] = s * x + c * b[i];
    }
}

void lt_svd(double *m, int rows, int k, double *s2, double *r) {
    double largest = 0;
    int rotations = 1;

    memset(r, 0, (size_t)k * (size_t)k * sizeof(*r));
    for (int i = 0; i < k; i++) {
        r[(size_t)i * (size_t)k + (size_t)i] = 1;
        s2[i] = dot(m + (size_t)i * (size_t)rows, m + (size_t)i * (size_t)rows, rows);
        largest = fmax(largest, s2[i]);
    }
    for (int sweep = 0; sweep < MAX_SWEEPS && rotations; sweep++) {
        rotations = 0;
        for (int i = 0; i < k; i++) {
            for (int j = i + 1; j < k; j++) {
                double *a = m + (size_t)i * (size_t)rows, *b = m + (size_t)j * (size_t)rows, ab, zeta, t, c;

                if (s2[i] <= NEGLIGIBLE * largest || s2[j] <= NEGLIGIBLE * largest) continue;
                ab = dot(a, b, rows);
                if (fabs(ab) <= TOLERANCE * sqrt(s2[i] * s2[j])) continue;
                zeta = (s2[j] - s2[i]) / (2 * ab);
                t = (zeta >= 0 ? 1 : -1) / (fabs(zeta) + sqrt(1 + zeta * zeta));
                c = 1 / sqrt(1 + t * t);
                rotate(a, b, rows, c, c * t);
                rotate(r + (size_t)i * (size_t)k, r + (size_t)j * (size_t)k, k, c, c * t);
                s2[i] = dot(a, a, rows);
                s2[j] = dot(b, b, rows);
                rotations++;
            }
        }
    }
    for (int i = 0; i < k; i++) largest = fmax(largest, s2[i]);
    for (int i = 0; i < k; i++) {
        double *a = m + (size_t)i * (size_t)rows, scale;

        if (s2[i] <= NEGLIGIBLE * largest) s2[i] = 0;
        scale = s2[i] > 0 ? 1 / sqrt(s2[i]) : 0;
        for (int j = 0; j < rows; j++) a[j] *= scale;
    }
}
