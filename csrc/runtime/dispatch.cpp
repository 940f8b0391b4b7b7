#include "runtime/dispatch.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

#include "runtime/processor.h"

namespace pylenet {

extern const InstructionSet kernels_baseline;
extern const InstructionSet kernels_avx2;
extern const InstructionSet kernels_avx512;

extern const Int8InstructionSet int8_baseline;
extern const Int8InstructionSet int8_avx2;
extern const Int8InstructionSet int8_avx512vnni;
extern const Int8InstructionSet int8_neon_dotprod;

namespace {

struct Candidate {
  const InstructionSet* isa;
  bool available;
};

// wanted_by: the instruction set of the float kernels from which on it is used.
struct Int8Candidate {
  const Int8InstructionSet* isa;
  std::string wanted_by;
  bool available;
};

const std::vector<Candidate>& candidates() {
  static const std::vector<Candidate> list = [] {
    std::vector<Candidate> found{{&kernels_baseline, true}};
#ifdef PYLENET_BUILT_AVX2
    found.push_back({&kernels_avx2, runs_avx2()});
#endif
#ifdef PYLENET_BUILT_AVX512
    found.push_back({&kernels_avx512, runs_avx512()});
#endif
    return found;
  }();
  return list;
}

const std::vector<Int8Candidate>& int8_candidates() {
  static const std::vector<Int8Candidate> list = [] {
    std::vector<Int8Candidate> found{{&int8_baseline, "baseline", true}};
#ifdef PYLENET_BUILT_INT8_AVX2
    found.push_back({&int8_avx2, "avx2", runs_avx2()});
#endif
#ifdef PYLENET_BUILT_INT8_AVX512VNNI
    found.push_back({&int8_avx512vnni, "avx512", runs_avx512vnni()});
#endif
#ifdef PYLENET_BUILT_INT8_NEON_DOTPROD
    found.push_back({&int8_neon_dotprod, "baseline", runs_neon_dotprod()});
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

constexpr Convolution kConvolutions[] = {Convolution::kDirect, Convolution::kCookToom};
constexpr Convolution kDefaultConvolution = Convolution::kCookToom;

Convolution convolution_of(const std::string& argument, const std::string& name) {
  for (const Convolution c : kConvolutions)
    if (name_of(c) == name) return c;
  throw std::invalid_argument(argument + " must be 'direct' or 'cook_toom', got '" + name + "'");
}

std::atomic<const Convolution*> forced_convolution{nullptr};

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

std::vector<std::string> built_int8_isas() {
  std::vector<std::string> names;
  for (const Int8Candidate& c : int8_candidates()) names.push_back(c.isa->name);
  return names;
}

std::vector<std::string> available_int8_isas() {
  std::vector<std::string> names;
  for (const Int8Candidate& c : int8_candidates())
    if (c.available) names.push_back(c.isa->name);
  return names;
}

const Int8InstructionSet& active_int8_isa() {
  const std::string most = active_isa().name;
  const Int8InstructionSet* best = nullptr;
  bool reached = false;
  for (const Int8Candidate& c : int8_candidates()) {
    if (reached && c.wanted_by != most) break;
    reached = c.wanted_by == most;
    if (c.available) best = c.isa;
  }
  return *best;
}

const InstructionSet& floats_of(const Int8InstructionSet& isa) {
  for (const Int8Candidate& c : int8_candidates())
    if (c.isa == &isa) return isa_named(c.wanted_by);
  return active_isa();
}

const Int8InstructionSet& int8_isa_named(const std::string& name) {
  std::string known;
  for (const Int8Candidate& c : int8_candidates()) {
    if (!c.available) continue;
    if (c.isa->name == name) return *c.isa;
    known += (known.empty() ? "'" : ", '") + std::string(c.isa->name) + "'";
  }
  throw std::invalid_argument("isa must be one of " + known +
                              " (what this build and this processor support), got '" + name + "'");
}

const char* name_of(Convolution convolution) {
  return convolution == Convolution::kDirect ? "direct" : "cook_toom";
}

Convolution active_convolution() {
  if (const Convolution* convolution = forced_convolution) return *convolution;
  static const Convolution chosen = [] {
    const char* name = std::getenv("PYLENET_CONVOLUTION");
    return name && *name ? convolution_of("PYLENET_CONVOLUTION", name) : kDefaultConvolution;
  }();
  return chosen;
}

Convolution convolution_named(const std::string& name) {
  return convolution_of("convolution", name);
}

void set_convolution(const std::string& name) {
  forced_convolution = &kConvolutions[int(convolution_named(name))];
}

}  // namespace pylenet
