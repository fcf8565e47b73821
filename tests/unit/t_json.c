/* JSON: what is written reads back equal; what is not JSON is refused with its place. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "lathe/json.h"
#include "lathe/mem.h"
#include "lathe/rng.h"
#include "tests/tap.h"

static struct lt_json *parse(const char *t) {
    struct lt_json *j = NULL;
    struct lt_err e;
    if (lt_json_parse("t", t, strlen(t), &j, &e)) lt_note("%s", e.msg);
    return j;
}

static void writing(void) {
    struct lt_buf b = LT_BUF_INIT;
    struct lt_jw w;
    lt_jw_init(&w, &b);
    lt_jw_obj(&w);
    lt_jw_kstr(&w, "s", "a\"b\\c\n\t\x01");
    lt_jw_kint(&w, "i", INT64_MIN);
    lt_jw_knum(&w, "x", 0.1);
    lt_jw_knum(&w, "nan", NAN);
    lt_jw_kbool(&w, "t", true);
    lt_jw_kstr(&w, "none", NULL);
    lt_jw_key(&w, "a");
    lt_jw_arr(&w);
    lt_jw_arr(&w);
    lt_jw_arr_end(&w);
    lt_jw_obj(&w);
    lt_jw_obj_end(&w);
    lt_jw_num(&w, -INFINITY);
    lt_jw_int(&w, 3);
    lt_jw_arr_end(&w);
    lt_jw_obj_end(&w);
    const char *want = "{\"s\":\"a\\\"b\\\\c\\n\\t\\u0001\",\"i\":-9223372036854775808,\"x\":0.1,\"nan\":null,\"t\":"
                       "true,\"none\":null,"
                       "\"a\":[[],{},null,3]}";
    lt_ok(!strcmp(b.data, want), "commas, nesting and escapes");
    if (strcmp(b.data, want)) lt_note("%s", b.data);
    struct lt_json *j = parse(b.data);
    const char *s = NULL;
    lt_ok(j && !lt_json_str(j, "s", &s, NULL) && !strcmp(s, "a\"b\\c\n\t\x01"), "the text reads back equal");
    lt_ok(j && lt_json_get(j, "a")->n == 4 && lt_json_get(j, "a")->child[1]->kind == LT_JSON_OBJ,
          "so does the structure");
    lt_json_free(j);
    lt_buf_clear(&b);
    lt_jw_init(&w, &b);
    lt_jw_str(&w, "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80 \xff\xc3");
    j = parse(b.data);
    lt_ok(j && !strcmp(j->str, "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80 \xef\xbf\xbd\xef\xbf\xbd"),
          "UTF-8 is kept, broken bytes become U+FFFD");
    lt_json_free(j);
    lt_buf_release(&b);
}

static void doubles(void) {
    static const double edge[] = {
        0.0, -0.0, 1e300, -1e-300, 5e-324, DBL_MAX, DBL_MIN, 1.0 / 3, 123456789012345678.0, 0.1 + 0.2};
    struct lt_buf b = LT_BUF_INIT;
    struct lt_rng r;
    int wrong = 0;
    lt_rng_at(&r, 11, LT_RNG_TEST, 0, 0);
    lt_note("seed 11");
    for (int i = 0; i < 2000; i++) {
        double x;
        if (i < 10) {
            x = edge[i];
        } else {
            uint64_t bits = (uint64_t)lt_rng_u32(&r) << 32;
            bits |= lt_rng_u32(&r);
            memcpy(&x, &bits, sizeof x);
            if (!isfinite(x)) continue;
        }
        struct lt_jw w;
        struct lt_json *j;
        lt_buf_clear(&b);
        lt_jw_init(&w, &b);
        lt_jw_num(&w, x);
        j = parse(b.data);
        wrong += !j || j->kind != LT_JSON_NUM || memcmp(&j->num, &x, sizeof x);
        lt_json_free(j);
    }
    lt_ok(wrong == 0, "doubles of any bits read back equal (%d wrong)", wrong);
    lt_buf_clear(&b);
    struct lt_jw w;
    lt_jw_init(&w, &b);
    lt_jw_num(&w, 0.3);
    lt_ok(!strcmp(b.data, "0.3"), "the shortest text is chosen: %s", b.data);
    lt_buf_release(&b);
}

static void reading(void) {
    struct lt_json *j =
        parse(" { \"k\" : [ 1 , -2.5e3 , true , false , null , \"\\u00e9\\ud83d\\ude00\\/\" ] , \"o\" : { } } \n");
    const struct lt_json *a = j ? lt_json_get(j, "k") : NULL;
    if (lt_ok(a && a->kind == LT_JSON_ARR && a->n == 6, "a value of every kind")) {
        lt_ok(a->child[0]->num == 1 && a->child[1]->num == -2500 && a->child[2]->b && !a->child[3]->b &&
                  a->child[3]->kind == LT_JSON_BOOL && a->child[4]->kind == LT_JSON_NULL,
              "numbers, booleans, null");
        lt_ok(!strcmp(a->child[5]->str, "\xc3\xa9\xf0\x9f\x98\x80/"), "escapes, also surrogate pairs");
        lt_ok(!strcmp(a->key, "k") && !lt_json_get(j, "K") && !lt_json_get(a, "k"), "keys");
    }
    double d = 7;
    const char *s = "before";
    struct lt_err e;
    lt_ok(lt_json_num(j, "o", &d, &e) == LT_EINVAL && d == 7, "a number where there is a map: %s", e.msg);
    lt_ok(lt_json_str(j, "absent", &s, &e) == LT_EINVAL && !strcmp(s, "before") && strstr(e.msg, "absent"),
          "a missing key is named");
    lt_json_free(j);
    lt_json_free(NULL);
}

static void malformed(void) {
    static const struct {
        const char *text, *where;
    } bad[] = {
        {"", "t:1:1:"},           {"   ", "t:1:4:"},
        {"{", "t:1:2:"},          {"[1,]", "t:1:4:"},
        {"[1 2]", "t:1:4:"},      {"{\"a\":1,}", "t:1:8:"},
        {"{a:1}", "t:1:2:"},      {"{\"a\" 1}", "t:1:6:"},
        {"{\"a\":}", "t:1:6:"},   {"[\n1,\n  nope]", "t:3:3:"},
        {"01", "t:1:1:"},         {"-", "t:1:1:"},
        {"+1", "t:1:1:"},         {"1.", "t:1:1:"},
        {".5", "t:1:1:"},         {"1e", "t:1:1:"},
        {"1e999", "t:1:1:"},      {"NaN", "t:1:1:"},
        {"Infinity", "t:1:1:"},   {"0x10", "t:1:2:"},
        {"\"abc", "t:1:1:"},      {"\"a\nb\"", "t:1:3:"},
        {"\"\\q\"", "t:1:2:"},    {"\"\\u12g4\"", "t:1:2:"},
        {"\"\\u12\"", "t:1:2:"},  {"\"\\ud800\"", "t:1:"},
        {"\"\\udc00x\"", "t:1:"}, {"\"\\u0000\"", "t:1:"},
        {"\"\\", "t:1:1:"},       {"1 1", "t:1:3:"},
        {"[1]]", "t:1:4:"},       {"tru", "t:1:1:"},
        {"truex", "t:1:5:"},      {"// c\n1", "t:1:1:"},
        {"'a'", "t:1:1:"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct lt_json *j = (void *)&bad;
        struct lt_err e = {0};
        lt_status s = lt_json_parse("t", bad[i].text, strlen(bad[i].text), &j, &e);
        bool ok = s == LT_EINVAL && j == (void *)&bad && !strncmp(e.msg, bad[i].where, strlen(bad[i].where));
        lt_ok(ok, "refused, case %zu: %s", i, e.msg);
    }
    struct lt_buf b = LT_BUF_INIT;
    struct lt_json *j = NULL;
    struct lt_err e;
    for (int i = 0; i < 100000; i++) lt_buf_puts(&b, "[");
    lt_ok(lt_json_parse("t", b.data, b.len, &j, &e) == LT_EINVAL && strstr(e.msg, "deeper"), "100000 levels: %s",
          e.msg);
    lt_buf_clear(&b);
    for (int i = 0; i < 64; i++) lt_buf_puts(&b, "[");
    for (int i = 0; i < 64; i++) lt_buf_puts(&b, "]");
    lt_ok(!lt_json_parse("t", b.data, b.len, &j, &e), "64 levels are fine");
    lt_json_free(j);
    j = NULL;
    lt_ok(lt_json_parse("t", "1\0", 2, &j, &e) == LT_EINVAL && !j, "a NUL byte after the value");
    lt_ok(!lt_json_parse("t", "123456", 3, &j, &e) && j->num == 123, "nothing is read beyond the length given");
    lt_json_free(j);
    lt_buf_release(&b);
}

int main(void) {
    writing();
    doubles();
    reading();
    malformed();
    lt_ok(lt_mem_live() == 0, "no memory is left behind");
    return lt_done();
}
