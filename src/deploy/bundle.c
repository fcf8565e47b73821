/*
 * Writes a deployment bundle: all files into a new directory beside the wanted one, which is then put in its place by
 * one rename, so that a reader sees the old bundle, or the new one, or none.
 */
#include "config.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "deploy/deploy_priv.h"
#include "lathe/file.h"
#include "lathe/mem.h"

static const char *const bundle_files[] = {LT_BUNDLE_MODEL, LT_BUNDLE_CONFIG, LT_BUNDLE_SAMPLE};
#define N_FILES ((int)(sizeof(bundle_files) / sizeof(bundle_files[0])))

static bool ours(const char *name) {
    for (int i = 0; i < N_FILES; i++)
        if (!strcmp(name, bundle_files[i])) return true;
    return !strcmp(name, ".") || !strcmp(name, "..");
}

/* A directory that holds anything but a bundle is not replaced: the user's files would be lost. */
static lt_status check_replaceable(const char *dir, struct lt_err *e) {
    lt_status s = LT_OK;
    DIR *d = opendir(dir);
    if (!d) return errno == ENOENT ? LT_OK : lt_fail(e, LT_EIO, "%s: %s", dir, strerror(errno));
    for (struct dirent *p; !s && (p = readdir(d));)
        if (!ours(p->d_name))
            s = lt_fail(e, LT_EINVAL, "%s: holds %s, which is not part of a deployment bundle; name another directory",
                        dir, p->d_name);
    closedir(d);
    return s;
}

static void remove_bundle(const char *dir) {
    for (int i = 0; i < N_FILES; i++) {
        char *path = lt_path_join(dir, bundle_files[i]);
        if (path) unlink(path);
        lt_free(path);
    }
    rmdir(dir);
}

static lt_status write_file(const char *dir, const char *name, const struct lt_buf *b, struct lt_err *e) {
    char *path = lt_path_join(dir, name);
    lt_status s =
        path ? lt_file_write_atomic(path, b->data, b->len, e) : lt_fail(e, LT_ENOMEM, "%s: out of memory", name);
    lt_free(path);
    return s;
}

static void sync_dir(const char *dir) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd); /* some file systems refuse it for directories: nothing more can be done */
        close(fd);
    }
}

/* tmp -> dir; an older bundle there is moved to `old`, then removed. */
static lt_status put_in_place(const char *tmp, const char *dir, const char *old, const char *parent, struct lt_err *e) {
    if (rename(tmp, dir)) { /* done already where dir is absent or empty */
        if (errno != ENOTEMPTY && errno != EEXIST)
            return lt_fail(e, LT_EIO, "rename %s to %s: %s", tmp, dir, strerror(errno));
        if (rename(dir, old)) return lt_fail(e, LT_EIO, "rename %s to %s: %s", dir, old, strerror(errno));
        if (rename(tmp, dir)) {
            int why = errno;
            if (rename(old, dir))
                return lt_fail(e, LT_EIO, "rename %s to %s: %s; the earlier bundle is in %s", tmp, dir, strerror(why),
                               old);
            return lt_fail(e, LT_EIO, "rename %s to %s: %s", tmp, dir, strerror(why));
        }
        remove_bundle(old);
    }
    sync_dir(parent);
    return LT_OK;
}

/* What a killed writer of this bundle left beside it: the old bundle returns if the new one never took its place. */
static void recover(const char *dir, const char *tmp, const char *old) {
    if (!lt_path_exists(dir) && lt_path_exists(old))
        rename(old, dir); /* if it fails, so will the renames of put_in_place, which report it */
    remove_bundle(old);
    if (lt_path_exists(tmp)) lt_sweep_temporaries(tmp, NULL);
    remove_bundle(tmp);
}

static lt_status parent_of(const char *dir, char **out, struct lt_err *e) {
    char *p = lt_strdup(dir), *slash;
    if (!p) return lt_fail(e, LT_ENOMEM, "%s: out of memory", dir);
    if ((slash = strrchr(p, '/')))
        slash[slash == p ? 1 : 0] = 0;
    else
        strcpy(p, "."); /* p holds at least one character */
    *out = p;
    return LT_OK;
}

lt_status lt_deploy_write(const char *dir, const struct lt_graph *folded, const struct lt_weights *w,
                          const struct lt_plan *plan, const struct lt_deploy_info *info, const float *x,
                          const float *logits, int n, struct lt_err *e) {
    const struct lt_shape *in = &folded->node[0].out;
    struct lt_bundle_sample sample = {.n = n,
                                      .channels = (int)in->d[1],
                                      .height = (int)in->d[2],
                                      .width = (int)in->d[3],
                                      .classes = (int)lt_shape_count(&folded->node[folded->output].out)};
    struct lt_buf file[N_FILES] = {{0}};
    char *clean = NULL, *parent = NULL, *tmp = NULL, *old = NULL, *note = NULL;
    bool made = false;
    lt_status s;
    size_t len = strlen(dir);
    if (!len || n < 1)
        return lt_fail(e, LT_EINVAL,
                       len ? "deployment bundle: at least one sample is needed"
                           : "deployment bundle: no directory is named");
    clean = lt_strdup(dir);
    while (clean && len > 1 && clean[len - 1] == '/') clean[--len] = 0;
    tmp = lt_asprintf("%s.new.tmp", clean ? clean : "");
    old = lt_asprintf("%s.old.tmp", clean ? clean : "");
    note =
        lt_asprintf("architecture %s; seed %llu", info->arch ? info->arch : "unknown", (unsigned long long)info->seed);
    if (!clean || !tmp || !old || !note) {
        s = lt_fail(e, LT_ENOMEM, "%s: out of memory", dir);
        goto out;
    }
    if ((s = lt_onnx_write(folded, w, plan, note, &file[0], e)) ||
        (s = lt_bundle_config(folded, w, plan, info, &file[0], &file[1], e)) ||
        (s = lt_bundle_sample_write(&sample, x, logits, &file[2], e)) || (s = parent_of(clean, &parent, e)) ||
        (s = lt_mkdirs(parent, e)))
        goto out;
    recover(clean, tmp, old);
    if ((s = check_replaceable(clean, e))) goto out;
    if (mkdir(tmp, 0777)) {
        s = lt_fail(e, LT_EIO, "%s: mkdir: %s", tmp, strerror(errno));
        goto out;
    }
    made = true;
    for (int i = 0; i < N_FILES; i++)
        if ((s = write_file(tmp, bundle_files[i], &file[i], e))) goto out;
    s = put_in_place(tmp, clean, old, parent, e);
out:
    if (s && made) remove_bundle(tmp);
    for (int i = 0; i < N_FILES; i++) lt_buf_release(&file[i]);
    lt_free(clean);
    lt_free(parent);
    lt_free(tmp);
    lt_free(old);
    lt_free(note);
    return s;
}
