/* Files and folders for a while, in the folder that TMPDIR names, else in /tmp. Who makes one removes it. */
#ifndef BASE_TEMP_H
#define BASE_TEMP_H
#include <stdint.h>
#include "base/err.h"

enum { TEMP_PATH = 300 };
const char *temp_folder(void);
/* A new empty file or folder; what: a word for its name and for the sentence where that fails. */
int temp_file(char path[TEMP_PATH], const char *what, struct err *e);
int temp_dir(char path[TEMP_PATH], const char *what, struct err *e);
/* A file, or a folder with all that is in it. "" and what is gone already are fine. */
void temp_remove(const char *path);
/* What a program may still write to the file system of that path; -1: not known. */
int64_t disk_free_bytes(const char *path);
#endif
