/* A record in which every member of every row holds a value of its own, by `salt`. */
#ifndef TESTS_RECORD_SAMPLE_H
#define TESTS_RECORD_SAMPLE_H
#include <stdio.h>
#include <string.h>
#include "bench/record_fields.h"

static inline void fill_field(struct record *r, const struct record_field *f, int i, int salt)
{
    void *p = (char *)r + f->offset;
    double v = 1000.0 * salt + i + 0.125;
    switch (f->kind) {
    case FIELD_STR:
        snprintf(p, f->size, "%s%d.%d", f->key, i, salt);
        break;
    case FIELD_FLAG:
        *(bool *)p = (i + salt) % 2;
        break;
    case FIELD_INT:
    case FIELD_COUNT:
        *(int *)p = 7 + i * 11 + salt;
        break;
    case FIELD_COUNT64:
    case FIELD_BYTES:
        *(int64_t *)p = ((int64_t)1 << 40) + i + salt;
        break;
    case FIELD_U64:
    case FIELD_SEED:
        *(uint64_t *)p = (UINT64_C(1) << 63) + (uint64_t)(i + salt);
        break;
    case FIELD_ISA:
        *(uint64_t *)p = ISA(AVX2) | ISA(FMA) | ISA(AVX512_VNNI);
        break;
    case FIELD_NUM:
        *(double *)p = v;
        break;
    case FIELD_IVL:
        *(struct interval *)p = (struct interval){v, v - 0.5, v + 0.25};
        break;
    case FIELD_SAMPLES:
    case FIELD_CHUNKS:
        *(struct samples *)p = (struct samples){.n = 3, .x = {v, v + 1, v + 2}};
        break;
    case FIELD_PROVENANCE:
        *(enum provenance *)p = (enum provenance)((i + salt) % N_PROVENANCES);
        break;
    default:
        *(enum record_status *)p = STATUS_OK;
    }
}

static inline void sample_record(struct record *r, int salt)
{
    record_init(r);
    for (int i = 0; i < n_record_fields; i++)
        fill_field(r, &record_fields[i], i, salt);
}
#endif
