/*
 * Room: run. Stage train: the supernet is trained by all ranks together, and saved once by rank 0. When the record is
 * there, rank 0 reads the file and the others get the values from it, so no shared file system is needed.
 */
#include "run/stages.h"
#include "lathe/file.h"
#include "lathe/mem.h"
#include "lathe/stats.h"

#include <stdio.h>
#include <string.h>

static const char weights_name[] = "weights/supernet.ltw";

static lt_status load(struct lt_run *r, const struct lt_json *rec, struct lt_err *e) {
    const char *want;
    char have[24];
    char *path = lt_store_path(r->store, weights_name);
    lt_status s = path ? LT_OK : lt_fail(e, LT_ENOMEM, "weights");
    if (!s && r->comm->rank == 0) {
        if (!(s = lt_supernet_load(r->supernet, path, e)) && !(s = lt_json_str(rec, "hash", &want, e))) {
            snprintf(have, sizeof(have), "%016llx", (unsigned long long)lt_supernet_hash(r->supernet));
            if (strcmp(have, want))
                s = lt_fail(e, LT_EIO, "%s: not the weights that this run trained (hash %s, recorded %s)", path, have,
                            want);
        }
    }
    if (!(s = lt_comm_agree(r->comm, s, e)))
        s = lt_comm_bcast(r->comm, lt_supernet_params(r->supernet),
                          (size_t)lt_supernet_n_params(r->supernet) * sizeof(float), 0, e);
    lt_free(path);
    return s;
}

static void write_record(struct lt_buf *b, const struct lt_train_log *log, uint64_t hash, double seconds) {
    struct lt_jw w;
    char text[24];
    snprintf(text, sizeof(text), "%016llx", (unsigned long long)hash);
    lt_record_begin(&w, b, "train", NULL);
    lt_jw_kstr(&w, "weights", weights_name);
    lt_jw_kstr(&w, "hash", text);
    lt_jw_key(&w, "curve");
    lt_jw_arr(&w);
    for (int i = 0; i < log->n; i++) {
        lt_jw_obj(&w);
        lt_jw_knum(&w, "epoch", log->point[i].epoch);
        lt_jw_knum(&w, "loss_largest", log->point[i].loss_largest);
        lt_jw_knum(&w, "loss_smallest", log->point[i].loss_smallest);
        lt_jw_knum(&w, "lr", log->point[i].lr);
        lt_jw_obj_end(&w);
    }
    lt_jw_arr_end(&w);
    lt_jw_key(&w, "meta");
    lt_jw_obj(&w);
    lt_jw_knum(&w, "wall_s", seconds);
    lt_jw_key(&w, "images_per_s");
    lt_jw_arr(&w);
    for (int i = 0; i < log->n; i++) lt_jw_num(&w, log->point[i].images_per_s);
    lt_jw_arr_end(&w);
    lt_jw_key(&w, "seconds");
    lt_jw_arr(&w);
    for (int i = 0; i < log->n; i++) lt_jw_num(&w, log->point[i].seconds);
    lt_jw_arr_end(&w);
    lt_jw_obj_end(&w);
    lt_record_end(&w);
}

static lt_status train(struct lt_run *r, struct lt_err *e) {
    struct lt_train_log log = {0};
    struct lt_buf b = LT_BUF_INIT;
    char *dir = lt_store_path(r->store, "weights"), *path = lt_store_path(r->store, weights_name);
    double t = lt_now_s();
    uint64_t hash, root_hash;
    lt_status s = dir && path ? LT_OK : lt_fail(e, LT_ENOMEM, "weights");
    if (!s && r->comm->rank == 0) s = lt_mkdirs(dir, e);
    if ((s = lt_comm_agree(r->comm, s, e))) goto out;
    s = lt_supernet_train(r->supernet, lt_data_train(r->data), &r->x->data, &r->x->train, r->x->seed, r->comm, dir,
                          r->ui, &log, e);
    if ((s = lt_comm_agree(r->comm, s, e))) goto out;
    hash = root_hash = lt_supernet_hash(r->supernet);
    if ((s = lt_comm_bcast(r->comm, &root_hash, sizeof(root_hash), 0, e))) goto out;
    if (hash != root_hash)
        s = lt_fail(e, LT_EFAIL,
                    "after training the weights differ from those of rank 0: are the machines of the same type?");
    if ((s = lt_comm_agree(r->comm, s, e))) goto out;
    if (r->comm->rank == 0) {
        s = lt_supernet_save(r->supernet, path, e);
        write_record(&b, &log, hash, lt_now_s() - t);
        if (!s) s = lt_store_add(r->store, &b, e);
    }
    s = lt_store_commit(r->store, s, e);
out:
    lt_train_log_release(&log);
    lt_buf_release(&b);
    lt_free(path);
    lt_free(dir);
    return s;
}

lt_status lt_stage_train(struct lt_run *r, struct lt_err *e) {
    const struct lt_json *rec = lt_store_find(r->store, "train", NULL);
    lt_status s = LT_OK;
    if (!r->supernet) s = lt_supernet_new(r->x->space, r->x->seed, &r->supernet, e);
    if ((s = lt_comm_agree(r->comm, s, e))) return s;
    if (rec) return load(r, rec, e);
    if ((s = lt_run_check_stop(r, e))) return s;
    return train(r, e);
}
