/* Room: run. What this machine can do at most: multiply-adds and memory traffic of `threads` threads, measured for a
 * moment. The yardstick of `lathe train --profile`. */
#ifndef LT_RUN_PEAKS_H
#define LT_RUN_PEAKS_H
#include "lathe/status.h"

struct lt_peaks {
    double flops, bytes_s;
};
/* Takes about two times `seconds`. Not collective. */
lt_status lt_machine_peaks(int threads, double seconds, struct lt_peaks *out, struct lt_err *e);
#endif
