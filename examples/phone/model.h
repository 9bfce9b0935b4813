/* A model that owns its memory: what an app needs of dcz.h and dcz_run.h.
 *
 * For models with one input and one output, which most are. Numbers are float32, one
 * example at a time. A model may be run by many threads at once. */
#ifndef DCZ_MODEL_H
#define DCZ_MODEL_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dcz_model dcz_model;

enum { DCZ_WHY = 160 };

/* Opens a copy of the bytes of a file. After an error the answer is NULL, and `why`, which
 * has room for DCZ_WHY bytes, says what was wrong, in ASCII. */
dcz_model *dcz_model_open(const void *data, size_t size, char *why);

/* How many numbers go in, and come out. */
size_t dcz_model_n_inputs(const dcz_model *model);
size_t dcz_model_n_outputs(const dcz_model *model);

/* Computes an example. The answer is NULL, or why there is none. */
const char *dcz_model_run(const dcz_model *model, const float *input, float *output);

void dcz_model_close(dcz_model *model);

#ifdef __cplusplus
}
#endif

#endif
