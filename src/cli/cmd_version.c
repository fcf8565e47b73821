/* Room: cli. `lathe version`: what this program is and what was built into it. */
#include "config.h"
#include "cli/cli.h"
#include "lathe/json.h"
#include "lathe/runtime.h"

lt_status cmd_version(struct cli *c, int argc, char **argv, struct lt_err *e) {
    static const struct {
        const char *name;
        bool on;
    } part[] = {
        {"oneDNN", LT_WITH_DNNL}, {"MPI", LT_WITH_MPI},          {"protobuf-c (ONNX)", LT_WITH_PROTOBUF_C},
        {"CBLAS", LT_WITH_CBLAS}, {"Chart.js", LT_WITH_CHARTJS},
    };
    struct cli_list words = {0};
    struct lt_buf b = LT_BUF_INIT, runtime = LT_BUF_INIT;
    bool help = false;
    lt_status s = cli_parse(c, NULL, argc, argv, &words, &help, e);
    if (s || help) return s;
    if (words.n) return cli_usage(e, c, "takes no arguments");
    lt_runtime_describe(&runtime);
    if (c->json) {
        struct lt_jw w;
        lt_jw_init(&w, &b);
        lt_jw_obj(&w);
        lt_jw_kint(&w, "schema", 1);
        lt_jw_kstr(&w, "version", PACKAGE_VERSION);
        lt_jw_kstr(&w, "runtime", runtime.data);
        for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++) lt_jw_kbool(&w, part[i].name, part[i].on);
        lt_jw_obj_end(&w);
        lt_buf_puts(&b, "\n");
    } else {
        lt_buf_printf(&b, "lathe %s\n  runtime: %s\n  processor: %s\n", PACKAGE_VERSION, runtime.data,
                      lt_runtime_cpu_model());
        for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++)
            lt_buf_printf(&b, "  %-18s %s\n", part[i].name, part[i].on ? "yes" : "no");
    }
    s = cli_print(c, &b, e);
    lt_buf_release(&runtime);
    lt_buf_release(&b);
    return s;
}
