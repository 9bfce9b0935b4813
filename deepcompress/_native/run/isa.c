/* Which instructions there are. */
#include "run/run.h"

int dc_has_isa(int isa)
{
    switch (isa) {
    case DC_ISA_PORTABLE:
        return 1;
#if DC_HAS_X86
    case DC_ISA_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case DC_ISA_AVX512:
        return dc_has_isa(DC_ISA_AVX2) && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
    default:
        return 0;
    }
}
