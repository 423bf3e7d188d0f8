/* NNCF's fixed books, for the codec and its kernels. */
#ifndef KERNELS_FORMATS_OPENVINO_BOOK_H
#define KERNELS_FORMATS_OPENVINO_BOOK_H
#include "kernels/formats/codec.h"

/* The values of codes 0 to 15. */
const float *openvino_book_of(const struct qpar *par);
#endif
