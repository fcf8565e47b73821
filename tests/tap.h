/*
 * Tests: a tiny producer of the Test Anything Protocol. One process is one topic; each check prints one line on stdout.
 *   lt_ok(cond, "name %d", x)   a check; returns cond, so that a test can stop when going on makes no sense
 *   lt_skip("reason")           a check that cannot be made here
 *   lt_note("text %d", x)       a line for the reader
 *   return lt_done();           the plan, and the exit status of main
 * A check must be able to fail. State is static: one test program is one translation unit, or calls through one.
 */
#ifndef LT_TESTS_TAP_H
#define LT_TESTS_TAP_H
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int lt_tap_count, lt_tap_failed;

__attribute__((format(printf, 4, 5), unused)) static bool lt_tap_check(bool pass, const char *file, int line,
                                                                       const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    printf("%s %d - ", pass ? "ok" : "not ok", ++lt_tap_count);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    if (!pass) {
        printf("#   failed at %s:%d\n", file, line);
        lt_tap_failed++;
    }
    fflush(stdout);
    return pass;
}

__attribute__((format(printf, 1, 2), unused)) static void lt_skip(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    printf("ok %d # SKIP ", ++lt_tap_count);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
}

__attribute__((format(printf, 1, 2), unused)) static void lt_note(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    printf("# ");
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
}

__attribute__((unused)) static int lt_done(void) {
    printf("1..%d\n", lt_tap_count);
    fflush(stdout);
    return lt_tap_failed ? 1 : 0;
}

#define lt_ok(cond, ...) lt_tap_check((cond), __FILE__, __LINE__, __VA_ARGS__)
#endif
