/* Feeds files, or all files of folders, to a fuzz target: the corpus as a test, and any crashing input by hand. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/os.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int n_files;

static void feed_file(const char *path)
{
    char *text;
    size_t n;
    struct err e;
    if (file_read(path, (size_t)1 << 30, &text, &n, &e)) {
        fprintf(stderr, "%s\n", e.text);
        exit(1);
    }
    uint8_t *exact = malloc(n ? n : 1);
    memcpy(exact, text, n);
    mem_free(text);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    n_files++;
}

static void feed_folder(const char *path)
{
    DIR *d = opendir(path);
    const struct dirent *entry;
    while (d && (entry = readdir(d))) {
        char file[4096];
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.')
            feed_file(file);
    }
    if (d)
        closedir(d);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (dir_exists(argv[i]))
            feed_folder(argv[i]);
        else
            feed_file(argv[i]);
    }
    printf("%d files\n", n_files);
    return n_files ? 0 : 1;
}
