/* The table of containers. */
#include "bench/export/export.h"

#define E(symbol) extern const struct exporter symbol;
#include "bench/export/exports.def"
#undef E

const struct exporter *const exporters[] = {
#define E(symbol) &symbol,
#include "bench/export/exports.def"
#undef E
    NULL,
};

const struct exporter *exporter_find(const struct recipe *r)
{
    for (int i = 0; exporters[i]; i++)
        if (exporters[i]->takes(r))
            return exporters[i];
    return NULL;
}
