#include <stdio.h>
#include "cli/gate.h"
const struct gate_policy gate_defaults = {.n_reruns = 3, .min_runs=8, .window=30};
int cli_gate_policy(const struct cli *c, struct gate_policy *out, struct err *e){(void)c;(void)e;*out=gate_defaults;return 0;}
static int each(void*a,const struct series*x){FILE*f=a;fprintf(f,"%s %s %s n=%d last=%g\n",x->model,x->format,x->metric,x->n,x->p[x->n-1].value);return 0;}
int cli_gate(struct cli *c, struct store *s, const struct gate_policy *p, const struct gate_hooks *hooks, FILE *out,const char *out_dir)
{(void)c;(void)p;(void)hooks;char b[5000];struct err e={0};series_each(s,NULL,each,out,&e);if(out_dir){snprintf(b,5000,"%s/gate.json",out_dir);FILE*f=fopen(b,"w");fputs("{}",f);fclose(f);}return 0;}
