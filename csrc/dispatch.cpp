#include "dispatch.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

namespace pylenet {

extern const Kernels kernels_baseline;
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;

namespace {

struct Candidate {
  const Kernels* kernels;
  bool available;
};

const std::vector<Candidate>& candidates() {
  static const std::vector<Candidate> list = [] {
    std::vector<Candidate> found{{&kernels_baseline, true}};
#ifdef PYLENET_BUILT_AVX2
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    found.push_back({&kernels_avx2, avx2});
#endif
#ifdef PYLENET_BUILT_AVX512
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512vl");
    found.push_back({&kernels_avx512, avx512});
#endif
    return found;
  }();
  return list;
}

const Kernels& find(const std::string& argument, const std::string& name) {
  std::string known;
  for (const Candidate& c : candidates()) {
    if (!c.available) continue;
    if (c.kernels->name == name) return *c.kernels;
    known += (known.empty() ? "'" : ", '") + std::string(c.kernels->name) + "'";
  }
  throw std::invalid_argument(argument + " must be one of " + known +
                              " (what this build and this processor support), got '" + name + "'");
}

const Kernels& from_environment() {
  if (const char* name = std::getenv("PYLENET_ISA"); name && *name)
    return find("PYLENET_ISA", name);
  return find("isa", available_isas().back());
}

std::atomic<const Kernels*> forced{nullptr};

}  // namespace

std::vector<std::string> built_isas() {
  std::vector<std::string> names;
  for (const Candidate& c : candidates()) names.push_back(c.kernels->name);
  return names;
}

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const Candidate& c : candidates())
    if (c.available) names.push_back(c.kernels->name);
  return names;
}

const Kernels& active_kernels() {
  if (const Kernels* kernels = forced) return *kernels;
  static const Kernels& chosen = from_environment();
  return chosen;
}

void set_isa(const std::string& name) { forced = &find("isa", name); }

}  // namespace pylenet
