/* Who measured. The state folder holds a secret of 32 random bytes; a machine's id is the hash of that and of the name
 * that its scheduler or kernel has for it. So nodes that share their home have ids of their own, and from an id nobody
 * can tell the name. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"
#include "bench/fleet/parts.h"

enum { SECRET = 32 };

int fleet_state_folder(char out[3600], struct err *e)
{
    const char *base = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (base && base[0] == '/')
        snprintf(out, 3600, "%.3500s/whichquant", base);
    else if (home && *home)
        snprintf(out, 3600, "%.3500s/.local/state/whichquant", home);
    else
        return err_set(e, ERR_MISSING, "no place for this machine's id: neither XDG_STATE_HOME nor HOME is set");
    return dir_make(out, e);
}

static bool is_secret(const char *s)
{
    return strspn(s, "0123456789abcdef") == 2 * SECRET && s[2 * SECRET] == '\n' && !s[2 * SECRET + 1];
}

/* Several nodes may do this at once: the first one's file stands, link() replaces nothing. */
static int make_secret(const char *path, struct err *e)
{
    unsigned char random[SECRET];
    char text[2 * SECRET + 2], temp[3800];
    if (RAND_bytes(random, sizeof random) != 1)
        return err_set(e, ERR_IO, "the system gives no random numbers for this machine's id");
    for (int i = 0; i < SECRET; i++)
        snprintf(text + 2 * i, 3, "%02x", random[i]);
    strcpy(text + 2 * SECRET, "\n");
    snprintf(temp, sizeof temp, "%s.%.16s", path, text);
    int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), rc = 0;
    size_t n = strlen(text);
    if (fd < 0 || write(fd, text, n) != (ssize_t)n || fsync(fd) < 0)
        rc = err_set(e, ERR_IO, "cannot write %s: %s", temp, strerror(errno));
    if (fd >= 0)
        close(fd);
    if (rc == 0 && link(temp, path) < 0 && errno != EEXIST)
        rc = err_set(e, ERR_IO, "cannot write %s: %s", path, strerror(errno));
    unlink(temp);
    return rc;
}

static int read_secret(char out[2 * SECRET + 2], struct err *e)
{
    char folder[3600], path[3700], *text = NULL;
    int rc = fleet_state_folder(folder, e);
    if (rc < 0)
        return rc;
    snprintf(path, sizeof path, "%s/machine-secret", folder);
    if (!file_exists(path) && (rc = make_secret(path, e)) < 0)
        return rc;
    rc = file_read(path, 1 << 16, &text, NULL, e);
    if (rc == 0 && !is_secret(text))
        rc = err_set(e, ERR_FORMAT, "%s is damaged: remove it, and this machine gets a new id", path);
    if (rc == 0)
        strcpy(out, text);
    mem_free(text);
    return rc;
}

/* What tells nodes with one home apart. */
static void node_name(char out[300])
{
    const char *slurm = getenv("SLURMD_NODENAME");
    struct utsname u = {0};
    uname(&u);
    snprintf(out, 300, "%.250s", slurm && *slurm ? slurm : u.nodename);
}

static const char *const adjectives[] = {
    "amber", "azure", "bold",  "brave",  "brisk", "calm",  "clear", "coral", "crisp",  "deep",  "eager",
    "early", "fair",  "fast",  "fine",   "fresh", "glad",  "gold",  "grand", "green",  "happy", "ivory",
    "jade",  "keen",  "kind",  "light",  "lucid", "mild",  "neat",  "noble", "olive",  "opal",  "pale",
    "plain", "prime", "proud", "pure",   "quick", "quiet", "rapid", "rare",  "red",    "ripe",  "royal",
    "ruby",  "safe",  "sharp", "silver", "slim",  "smart", "snowy", "solid", "steady", "still", "sunny",
    "swift", "tall",  "teal",  "tidy",   "warm",  "white", "wide",  "wise",  "young",
};
static const char *const nouns[] = {
    "acorn", "anchor", "apple", "arrow",  "badger",  "beacon", "birch",  "bison",  "brook",  "canoe", "cedar",
    "cliff", "clover", "comet", "crane",  "delta",   "dune",   "eagle",  "ember",  "falcon", "fern",  "finch",
    "fjord", "forest", "fox",   "garden", "glacier", "grove",  "harbor", "hawk",   "heron",  "hill",  "island",
    "lake",  "lark",   "lemon", "lily",   "lotus",   "lynx",   "maple",  "meadow", "moon",   "moss",  "oak",
    "ocean", "orchid", "otter", "owl",    "pearl",   "pine",   "planet", "plum",   "rain",   "raven", "reef",
    "river", "robin",  "rose",  "sage",   "star",    "stone",  "tiger",  "willow", "wolf",
};
_Static_assert(sizeof adjectives / sizeof *adjectives == 64 && sizeof nouns / sizeof *nouns == 64, "six bits each");

static void word_pair(char out[FLEET_NAME], const char *id)
{
    unsigned long bits = strtoul((char[]){id[0], id[1], id[2], id[3], 0}, NULL, 16);
    snprintf(out, FLEET_NAME, "%s-%s", adjectives[bits & 63], nouns[bits >> 6 & 63]);
}

static int check_label(const char *label, struct err *e)
{
    size_t n = strlen(label);
    for (const char *p = label; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return err_set(e, ERR_USAGE, "--label: control characters are no part of a name");
    json_t *text = json_string(label);
    json_decref(text);
    if (!text) /* a result would have none, and be refused */
        return err_set(e, ERR_USAGE, "--label: give a name in UTF-8");
    return n > 0 && n < FLEET_NAME ? 0
                                   : err_set(e, ERR_USAGE, "--label: give a name of at most %d bytes", FLEET_NAME - 1);
}

int fleet_machine_here(struct fleet_machine *m, const char *label, struct err *e)
{
    char secret[2 * SECRET + 2], node[300], text[400], hash[65];
    int rc = label ? check_label(label, e) : 0;
    if (rc == 0)
        rc = read_secret(secret, e);
    if (rc < 0)
        return rc;
    node_name(node);
    snprintf(text, sizeof text, "%s%s", secret, node);
    sha256_hex(text, strlen(text), hash);
    memcpy(m->id, hash, sizeof m->id - 1);
    m->id[sizeof m->id - 1] = 0;
    if (label)
        snprintf(m->label, sizeof m->label, "%s", label);
    else
        word_pair(m->label, m->id);
    return 0;
}
