/* Seeded random numbers: xoshiro256**, seeded through splitmix64 (Blackman and Vigna). Same sequence everywhere. */
#ifndef BASE_RNG_H
#define BASE_RNG_H
#include <stdint.h>

struct rng {
    uint64_t s[4];
};
void rng_seed(struct rng *r, uint64_t seed);
void rng_seed_text(struct rng *r, uint64_t seed, const char *text);   /* a stream of its own per name */
uint64_t rng_u64(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n);    /* unbiased in [0, n) */
void rng_shuffle(struct rng *r, int *x, int n);   /* every order alike likely */
double rng_uniform(struct rng *r);                /* [0, 1) */
double rng_normal(struct rng *r);

#endif
