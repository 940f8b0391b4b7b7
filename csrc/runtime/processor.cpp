#include "runtime/processor.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace pylenet {

#if defined(__x86_64__)

namespace {

struct Features {
  unsigned basic = 0;                // leaf 1, ecx
  unsigned wide = 0, wide_more = 0;  // leaf 7, ebx and ecx
  unsigned kept = 0;                 // registers that the system keeps: XCR0
};

// The registers' bits in XCR0.
constexpr unsigned kKeepsAvx = 0x06;     // xmm, ymm
constexpr unsigned kKeepsAvx512 = 0xe6;  // and k0 to k7, the upper halves of zmm, zmm16 to zmm31

Features read_features() {
  Features found;
  unsigned eax, ebx, ecx, edx;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return found;
  found.basic = ecx;
  if (ecx & bit_OSXSAVE) {
    asm volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    found.kept = eax;
#ifdef __APPLE__
    // macOS keeps them from a thread's first use on, and does not say so before.
    if ((found.kept & kKeepsAvx) == kKeepsAvx) found.kept |= kKeepsAvx512;
#endif
  }
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
    found.wide = ebx;
    found.wide_more = ecx;
  }
  return found;
}

const Features& features() {
  static const Features found = read_features();
  return found;
}

bool all(unsigned found, unsigned wanted) { return (found & wanted) == wanted; }

}  // namespace

bool runs_avx2() {
  const Features& f = features();
  return all(f.basic, bit_AVX | bit_FMA) && all(f.wide, bit_AVX2) && all(f.kept, kKeepsAvx);
}

bool runs_avx512() {
  const Features& f = features();
  return runs_avx2() && all(f.wide, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL) &&
         all(f.kept, kKeepsAvx512);
}

bool runs_avx512vnni() { return runs_avx512() && all(features().wide_more, bit_AVX512VNNI); }

#elif defined(__aarch64__)

bool runs_neon_dotprod() {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
  return true;  // macOS: every processor that it runs on
#endif
}

#endif

}  // namespace pylenet
