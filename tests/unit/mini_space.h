/* A small elastic space for tests of the supernet: one of each kind of choice, trained in seconds. Included by one
 * translation unit each. */
#ifndef LT_TESTS_MINI_SPACE_H
#define LT_TESTS_MINI_SPACE_H
#include "lathe/space.h"
#include <string.h>

static const char mini_yaml[] =
    "schema: 1\n"
    "name: mini\n"
    "about: small space of tests\n"
    "input: {channels: 1, resolution: [12, 16]}\n"
    "classes: 10\n"
    "act: relu\n"
    "divisor: 4\n"
    "stem: {block: conv, channels: 8, kernel: 3, stride: 2}\n"
    "stages:\n"
    "  - {name: s1, block: mbconv, channels: [8, 12], depth: [1, 2], stride: 1, kernel: [3, 5, 7], expand: [2, 3]}\n"
    "  - {name: s2, block: mbconv, channels: [16, 24], depth: [1, 2], stride: 2, kernel: [3, 5], expand: [2, 4]}\n"
    "head: {channels: 32}\n";

static struct lt_space *mini_space(void) {
    struct lt_err e;
    struct lt_yaml *y = NULL;
    struct lt_space *s = NULL;
    if (lt_yaml_parse("mini.yaml", mini_yaml, strlen(mini_yaml), &y, &e) || lt_space_parse_yaml(y, &s, &e))
        LT_BUG("mini space: %s", e.msg);
    lt_yaml_free(y);
    return s;
}
#endif
