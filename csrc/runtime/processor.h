// What this processor runs of the instructions that kernels are built for. Asked of the processor
// itself: not every compiler that builds the kernels brings a library that answers.
#pragma once

namespace pylenet {

#if defined(__x86_64__)
// False too where the system does not keep a thread's wide registers.
bool runs_avx2();        // with fused multiply-adds
bool runs_avx512();      // F, BW, DQ and VL, and AVX2
bool runs_avx512vnni();  // and the dot product of bytes
#elif defined(__aarch64__)
bool runs_neon_dotprod();
#endif

}  // namespace pylenet
