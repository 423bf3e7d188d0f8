/* Tables of the 16 uneven values (iq4.h). */
#include "kernels/formats/iq4.h"

const int8_t iq4_value[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

#define UPTO(a, b, code) [(a) + 256 ...(b) + 255] = code
const int32_t iq4_nearest[512] = {
    UPTO(-256, -127 - 104, 0),   UPTO(-127 - 104, -104 - 83, 1), UPTO(-104 - 83, -83 - 65, 2),
    UPTO(-83 - 65, -65 - 49, 3), UPTO(-65 - 49, -49 - 35, 4),    UPTO(-49 - 35, -35 - 22, 5),
    UPTO(-35 - 22, -22 - 10, 6), UPTO(-22 - 10, -10 + 1, 7),     UPTO(-10 + 1, 1 + 13, 8),
    UPTO(1 + 13, 13 + 25, 9),    UPTO(13 + 25, 25 + 38, 10),     UPTO(25 + 38, 38 + 53, 11),
    UPTO(38 + 53, 53 + 69, 12),  UPTO(53 + 69, 69 + 89, 13),     UPTO(69 + 89, 89 + 113, 14),
    UPTO(89 + 113, 256, 15)};
#undef UPTO
