/* Functions that must become part of their caller, mostly to have its constants. */
#ifndef BASE_INLINE_H
#define BASE_INLINE_H
#define INLINE static inline __attribute__((always_inline))
#endif
