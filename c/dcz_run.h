/* Runs the model that a `.dcz` file holds, as the file's program says (docs/program.md).
 *
 * Belongs to dcz.h and dcz.c. C99, nothing of the C library but memcpy and memset, no
 * allocation and no state besides what the caller holds. It runs networks that pass
 * examples forward: dense and convolution layers, pooling, normalization, activations,
 * sums and joins of branches; docs/c.md lists them. The rest is refused, by name.
 * dcz_run_small.c takes the place of dcz_run.c where flash and memory are scarce: it knows
 * chains of plain layers alone.
 *
 * One example at a time, all values float32, axes in the order of Keras with channels
 * last, without that of the batch. */
#ifndef DCZ_RUN_H
#define DCZ_RUN_H

#include "dcz.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { DCZ_MAX_AXES = 6 };

/* An input or an output. The name is empty where there is one; it is ended by no 0. */
typedef struct {
    const char *name;
    size_t name_size;
    size_t n_elements;
    size_t rank;
    size_t shape[DCZ_MAX_AXES];
} dcz_value_info;

/* How the weights are kept. */
typedef enum {
    DCZ_HELD,    /* decoded once, into codes that the scratch memory keeps */
    DCZ_STREAMED /* decoded for every example, as they are used; takes no memory for
                  * them, and more time. For files of version 1 */
} dcz_mode;

/* An open model. The members above the line are for reading, those below are private. */
typedef struct {
    size_t n_inputs, n_outputs, n_operations;
    size_t kept;  /* bytes at the beginning of the scratch memory that have to stay */
    size_t arena; /* bytes that dcz_run needs */
    float work;   /* multiplications of an example, were no weight 0, and what else takes
                   * as long: to be looked at before a file that nobody vouches for is run */
    /* What cannot be run, once dcz_run_open has answered DCZ_ERROR_LEFT_OUT: words of this
     * decoder or of the file; of dcz_run_small.c the number of a kind, as "kind 15". Empty
     * where the file holds no program. */
    const char *refused;
    size_t refused_size;
    /* ---- */
    const dcz_file *file;
    dcz_mode mode;
    unsigned form;
    const uint8_t *program, *inputs, *operations, *outputs, *end;
    struct dcz_run_value *values;
    struct dcz_run_weight *weights;
    size_t activations, decoding;
    char words[8]; /* of what is refused */
} dcz_net;

/* Opens the model of a file that was opened. The scratch memory may be that of dcz_open
 * from `kept` on; it stays lent for as long as the net is used. */
dcz_status dcz_run_open(dcz_net *net, const dcz_file *file, dcz_mode mode,
                        dcz_scratch *scratch);

dcz_status dcz_run_input(const dcz_net *net, size_t index, dcz_value_info *info);
dcz_status dcz_run_output(const dcz_net *net, size_t index, dcz_value_info *info);

/* Computes the outputs of one example. `arena` is memory of at least net.arena bytes, of
 * any alignment; a net that is held may be run by many threads at once, each with an arena
 * of its own. What is not finite in an input makes all outputs NaN. */
dcz_status dcz_run(const dcz_net *net, const float *const *inputs, float *const *outputs,
                   void *arena, size_t size);

/* What an operation takes and gives: for pictures of a model. */
typedef struct {
    const char *name; /* of its kind, ended by a 0 */
    size_t n_weights; /* how many arrays of the file it uses */
    size_t weights[4];
    size_t rank;      /* of what it gives */
    size_t shape[DCZ_MAX_AXES];
} dcz_operation_info;

dcz_status dcz_run_operation(const dcz_net *net, size_t index, dcz_operation_info *info);

#ifdef __cplusplus
}
#endif

#endif
