#include "runtime/dispatch.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

namespace pylenet {

extern const InstructionSet kernels_baseline;
extern const InstructionSet kernels_avx2;
extern const InstructionSet kernels_avx512;

namespace {

struct Candidate {
  const InstructionSet* isa;
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

const InstructionSet& find(const std::string& argument, const std::string& name) {
  std::string known;
  for (const Candidate& c : candidates()) {
    if (!c.available) continue;
    if (c.isa->name == name) return *c.isa;
    known += (known.empty() ? "'" : ", '") + std::string(c.isa->name) + "'";
  }
  throw std::invalid_argument(argument + " must be one of " + known +
                              " (what this build and this processor support), got '" + name + "'");
}

const InstructionSet& from_environment() {
  if (const char* name = std::getenv("PYLENET_ISA"); name && *name)
    return find("PYLENET_ISA", name);
  return find("isa", available_isas().back());
}

std::atomic<const InstructionSet*> forced{nullptr};

}  // namespace

std::vector<std::string> built_isas() {
  std::vector<std::string> names;
  for (const Candidate& c : candidates()) names.push_back(c.isa->name);
  return names;
}

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const Candidate& c : candidates())
    if (c.available) names.push_back(c.isa->name);
  return names;
}

const InstructionSet& active_isa() {
  if (const InstructionSet* isa = forced) return *isa;
  static const InstructionSet& chosen = from_environment();
  return chosen;
}

const InstructionSet& isa_named(const std::string& name) { return find("isa", name); }

void set_isa(const std::string& name) { forced = &isa_named(name); }

}  // namespace pylenet
