/* Reads `.dcz` files: named arrays, compressed without loss, and what lies beside them.
 *
 * One header and one source, C99, nothing of the C library but memcpy and memset, no
 * allocation and no state besides what the caller holds. docs/c.md shows how to use it,
 * docs/format.md says what the files look like. `-DDCZ_NO_CONTEXT` leaves version 2 out,
 * whose files are DCZ_ERROR_LEFT_OUT then; `-DDCZ_NO_ASSETS` leaves out what unpacks
 * assets. `-DDCZ_SMALL`, for firmware whose files were checked where it was built, leaves
 * out both and more: arrays that are not float32, or have seven axes or more, are
 * DCZ_ERROR_LEFT_OUT, the names of arrays may be empty, and that names are UTF-8 and
 * differ is not checked.
 *
 * The bytes of a file have to stay where they are, and as they are, while it is used.
 * Whatever they are, nothing is read or written outside the buffers given. */
#ifndef DCZ_H
#define DCZ_H

#if defined DCZ_SMALL && !defined DCZ_NO_CONTEXT
#define DCZ_NO_CONTEXT
#endif
#if defined DCZ_SMALL && !defined DCZ_NO_ASSETS
#define DCZ_NO_ASSETS
#endif

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    DCZ_OK,
    DCZ_ERROR_SCRATCH,   /* dcz_scratch says how much more is needed */
    DCZ_ERROR_ARGUMENT,  /* there is no such thing, or too little room for it */
    DCZ_ERROR_FORMAT,    /* this is no .dcz file */
    DCZ_ERROR_VERSION,   /* a version, or a needed part, that this decoder does not know */
    DCZ_ERROR_LEFT_OUT,  /* this decoder was compiled without what reads the file */
    DCZ_ERROR_TOO_LARGE, /* more than this machine can address */
    DCZ_ERROR_CHECKSUM,  /* the file is damaged */
    DCZ_ERROR_CORRUPT    /* the file breaks a rule of the format */
} dcz_status;

/* A status in words. */
const char *dcz_message(dcz_status status);

/* Memory that the caller lends. Every call that is given some sets `needed` to what it
 * took of it. Where that is more than `size`, the answer is DCZ_ERROR_SCRATCH and
 * nothing else has happened: lend so many bytes and call again. It may ask once more,
 * for what it could not know before: this is a loop. All zeros
 * ask for the size. */
typedef struct {
    void *memory;
    size_t size;
    size_t needed;
    size_t used; /* private */
} dcz_scratch;

/* ---- A file ----------------------------------------------------------------- */

/* Some bytes of a file, and their checksum; private. */
struct dcz_seal {
    const uint8_t *data;
    size_t size;
    uint32_t checksum;
};

/* An open file. The members above the line are for reading, those below are private. */
typedef struct {
    int version;
    size_t n_arrays, n_sections, n_parts;
    uint64_t n_bytes; /* of all arrays once decoded: to be looked at before that */
    size_t kept;      /* bytes at the beginning of the scratch memory that have to stay;
                       * what lies behind them is free again */
    /* ---- */
    struct dcz_entry *entries;
    struct dcz_section *sections;
    struct dcz_seal architecture;
    uint64_t architecture_plain_size;
} dcz_file;

/* Opens a file of `size` bytes. */
dcz_status dcz_open(dcz_file *file, const void *data, size_t size, dcz_scratch *scratch);

/* ---- Arrays ----------------------------------------------------------------- */

/* The numbers are those of the file. */
typedef enum {
    DCZ_BOOL,
    DCZ_INT8,
    DCZ_UINT8,
    DCZ_INT16,
    DCZ_UINT16,
    DCZ_INT32,
    DCZ_UINT32,
    DCZ_INT64,
    DCZ_UINT64,
    DCZ_FLOAT16,
    DCZ_FLOAT32,
    DCZ_FLOAT64,
    DCZ_COMPLEX64,
    DCZ_COMPLEX128,
    DCZ_BFLOAT16,
    DCZ_FLOAT8_E4M3FN,
    DCZ_FLOAT8_E5M2,
    DCZ_N_DTYPES
} dcz_dtype;

#ifndef DCZ_SMALL
/* The name that NumPy knows a dtype by. */
const char *dcz_dtype_name(dcz_dtype dtype);
#endif

enum { DCZ_MAX_RANK = 64 };

/* What a file tells of an array. Its name is `layer`, a slash and `leaf`, or `leaf`
 * alone where the layer is empty: UTF-8, not ended by a 0. Its elements are in C order.
 * `scratch` bytes are enough to decode it; less may do. */
typedef struct {
    const char *layer, *leaf;
    size_t layer_size, leaf_size;
    dcz_dtype dtype;
    size_t itemsize, n_elements, n_bytes;
    size_t section;
    size_t scratch;
    size_t rank;
    size_t shape[DCZ_MAX_RANK];
} dcz_tensor_info;

dcz_status dcz_tensor(const dcz_file *file, size_t index, dcz_tensor_info *info);

#ifndef DCZ_SMALL
/* The index of the array of a name, or n_arrays. */
size_t dcz_find(const dcz_file *file, const char *name);
#endif

/* Decodes an array to `out`, which has room for `size` bytes, at least n_bytes, and needs
 * no alignment. Numbers are written in the byte order of this machine. After an error
 * `out` holds anything. The scratch memory may be that of dcz_open from `kept` on. */
dcz_status dcz_decode(const dcz_file *file, size_t index, void *out, size_t size,
                      dcz_scratch *scratch);

/* A section is some arrays that follow each other and share a checksum; to decode one of
 * them those before it have to be passed, which in version 2 takes as long as decoding
 * them. Decodes them in one go: outs[k] is for the array first + k of the section, has
 * room for its n_bytes, and is NULL where it is not wanted. */
dcz_status dcz_section_arrays(const dcz_file *file, size_t section, size_t *first,
                              size_t *count);
dcz_status dcz_decode_section(const dcz_file *file, size_t section, void *const *outs,
                              dcz_scratch *scratch);

#ifndef DCZ_SMALL

/* The bytes of the file that each array of a section takes, which are known once they
 * were passed; in version 2 to about a byte, as arrays share bytes there. */
dcz_status dcz_section_sizes(const dcz_file *file, size_t section, size_t *sizes,
                             dcz_scratch *scratch);

#endif

/* Is told of an element: its place in the array in C order, its bits with the lowest byte
 * first, and which of the values it has that the array shares, below 65536, or SIZE_MAX
 * where the file says of no values that they are shared. */
typedef void dcz_visitor(void *to, size_t place, const uint8_t *bits, size_t code);

/* Tells `visit` of the elements of an array without decoding it to memory, in the order in
 * which the file holds them; of those whose bits are all 0 it may say nothing. Only what
 * is stored byte by byte, or with another background than 0, takes memory for the array.
 * `visit` is given `to`, which is not NULL.
 * After an error `visit` has been told of anything, but after DCZ_ERROR_SCRATCH of
 * nothing. */
dcz_status dcz_each(const dcz_file *file, size_t index, dcz_visitor *visit, void *to,
                    dcz_scratch *scratch);

/* The same of all arrays of a section in one go: tos[k] is for the array first + k, and
 * NULL where it is not wanted. After DCZ_ERROR_SCRATCH `visit` has been told of some. */
dcz_status dcz_each_of_section(const dcz_file *file, size_t section, dcz_visitor *visit,
                               void *const *tos, dcz_scratch *scratch);

/* ---- What lies beside the arrays -------------------------------------------- */

/* Bytes with a name, which is ended by no 0. */
typedef struct {
    const char *name;
    size_t name_size;
    const uint8_t *data;
    size_t size;
} dcz_blob;

/* A part of the file as it is, once its checksum was found right. */
dcz_status dcz_part(const dcz_file *file, size_t index, dcz_blob *part);

/* The architecture of the model, still packed: raw deflate with a preset dictionary. The
 * size is 0 where there is none. */
dcz_status dcz_architecture(const dcz_file *file, dcz_blob *packed, uint64_t *plain_size);

#ifndef DCZ_NO_ASSETS

/* The bytes that the assets take once unpacked, 0 where there are none; and unpacks them
 * to `out`, which has room for so many. */
dcz_status dcz_assets_size(const dcz_file *file, uint64_t *size);
dcz_status dcz_unpack_assets(const dcz_file *file, void *out, size_t size,
                             dcz_scratch *scratch);

/* How many assets there are in what dcz_unpack_assets has unpacked, and one of them, which
 * points into it. */
size_t dcz_n_assets(const void *unpacked, size_t size);
dcz_status dcz_asset(const void *unpacked, size_t size, size_t index, dcz_blob *asset);

#endif

#ifdef __cplusplus
}
#endif

#endif
