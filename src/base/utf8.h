/* Base room: reading one UTF-8 character, for the writers of JSON and YAML, which must never write what no reader
 * takes. */
#ifndef LT_BASE_UTF8_H
#define LT_BASE_UTF8_H
#include <stdint.h>

/*
 * Decodes the character at s (NUL terminated, not at its end) and returns its length in bytes; 1 with *c = 0xFFFD (the
 * replacement character) when the bytes are no UTF-8: overlong, a surrogate, above U+10FFFF, or cut off.
 */
static inline int lt_utf8_next(const char *s, uint32_t *c) {
    const unsigned char *p = (const unsigned char *)s;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    int n = p[0] < 0x80                   ? 1
            : p[0] >= 0xC2 && p[0] < 0xE0 ? 2
            : (p[0] & 0xF0) == 0xE0       ? 3
            : p[0] >= 0xF0 && p[0] < 0xF5 ? 4
                                          : 0;
    *c = 0xFFFD;
    if (n == 0) return 1;
    uint32_t v = n == 1 ? p[0] : p[0] & (0xFFu >> (n + 1));
    for (int i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80) return 1;
        v = v << 6 | (p[i] & 0x3F);
    }
    if (v < least[n] || v > 0x10FFFF || (v >= 0xD800 && v < 0xE000)) return 1;
    *c = v;
    return n;
}
#endif
