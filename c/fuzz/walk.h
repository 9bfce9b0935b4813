/* Everything that a reader can do with a file, for tests and fuzzers. */
#ifndef DCZ_WALK_H
#define DCZ_WALK_H

#include "../dcz_run.h"

#include <stdio.h>

uint32_t crc32_of(const uint8_t *data, size_t n);

/* Opens a file and decodes all that it holds, unless that takes more than `limit` bytes:
 * with `report`, a line for each thing with the checksum of its bytes; else the arrays by
 * sections, and one of them alone; and runs its model in both modes, unless that takes
 * long. All memory is of exactly the size that was asked for.
 * What contradicts itself aborts. The status is the first that is not DCZ_OK. */
dcz_status walk(const uint8_t *data, size_t size, size_t limit, FILE *report);

/* Sets all checksums that a header of version 1, or 2, is read with right: those of
 * sections and parts too, where they are not coded themselves. */
void repair(uint8_t *data, size_t size);

#endif
