/* Of the node's binary: Debian's libxml2.a asks ICU for encodings that it does not know itself. Everything written and
 * read here is UTF-8, so there are none; and 30 MB of ICU, and C++, stay out of the binary. */
#include <stddef.h>
#include <unicode/ucnv.h>
#include <unicode/ucnv_err.h>

UConverter *ucnv_open(const char *name, UErrorCode *e)
{
    (void)name;
    *e = U_UNSUPPORTED_ERROR;
    return NULL;
}

void ucnv_close(UConverter *c)
{
    (void)c;
}

void ucnv_convertEx(UConverter *to, UConverter *from, char **out, const char *out_end, const char **in,
                    const char *in_end, UChar *pivot, UChar **pivot_in, UChar **pivot_out, const UChar *pivot_end,
                    UBool reset, UBool flush, UErrorCode *e)
{
    (void)to, (void)from, (void)out, (void)out_end, (void)in, (void)in_end, (void)pivot, (void)pivot_in;
    (void)pivot_out, (void)pivot_end, (void)reset, (void)flush;
    *e = U_UNSUPPORTED_ERROR;
}

void ucnv_setToUCallBack(UConverter *c, UConverterToUCallback action, const void *context, UConverterToUCallback *old,
                         const void **old_context, UErrorCode *e)
{
    (void)c, (void)action, (void)context, (void)old, (void)old_context;
    *e = U_UNSUPPORTED_ERROR;
}

void ucnv_setFromUCallBack(UConverter *c, UConverterFromUCallback action, const void *context,
                           UConverterFromUCallback *old, const void **old_context, UErrorCode *e)
{
    (void)c, (void)action, (void)context, (void)old, (void)old_context;
    *e = U_UNSUPPORTED_ERROR;
}

void UCNV_TO_U_CALLBACK_STOP(const void *context, UConverterToUnicodeArgs *args, const char *codes, int32_t n,
                             UConverterCallbackReason reason, UErrorCode *e)
{
    (void)context, (void)args, (void)codes, (void)n, (void)reason;
    *e = U_UNSUPPORTED_ERROR;
}

void UCNV_FROM_U_CALLBACK_STOP(const void *context, UConverterFromUnicodeArgs *args, const UChar *units, int32_t n,
                               UChar32 code, UConverterCallbackReason reason, UErrorCode *e)
{
    (void)context, (void)args, (void)units, (void)n, (void)code, (void)reason;
    *e = U_UNSUPPORTED_ERROR;
}
