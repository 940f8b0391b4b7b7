#include "layers/settings.h"

#include <algorithm>
#include <stdexcept>

namespace pylenet {

namespace {

struct NamedActivation {
  const char* name;
  ActivationKind kind;
};
constexpr NamedActivation kActivations[] = {
#define PYLENET_NAMED(kind, name, Function) {name, ActivationKind::kind},
    PYLENET_ACTIVATIONS(PYLENET_NAMED)
#undef PYLENET_NAMED
};

int checked(const std::string& what, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value < least || value > most)
    throw std::invalid_argument(what + " must be from " + std::to_string(least) + " to " +
                                std::to_string(most) + ", got " + std::to_string(value));
  return int(value);
}

}  // namespace

const Setting& Settings::find(const char* name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) throw std::invalid_argument(naming(name) + " is missing");
  read_[name] = true;
  return found->second;
}

template <class T>
const T& Settings::get(const char* name, const char* type) const {
  if (const T* value = std::get_if<T>(&find(name))) return *value;
  throw std::invalid_argument(naming(name) + " must be " + type);
}

bool Settings::flag(const char* name) const { return get<bool>(name, "true or false"); }

float Settings::real(const char* name) const { return float(get<double>(name, "a real number")); }

int Settings::integer(const char* name, std::int64_t least, std::int64_t most) const {
  return checked(naming(name), get<std::int64_t>(name, "an integer"), least, most);
}

std::vector<int> Settings::integers(const char* name, std::size_t count, std::int64_t least,
                                    std::int64_t most) const {
  const Integers& values = get<Integers>(name, "a list of integers");
  if (values.size() != count)
    throw std::invalid_argument(naming(name) + " must hold " + std::to_string(count) +
                                " integers, got " + std::to_string(values.size()));
  std::vector<int> result;
  for (const std::int64_t value : values)
    result.push_back(checked(naming(name), value, least, most));
  return result;
}

Activation Settings::activation(const char* name) const {
  const auto& [wanted, parameter] = get<NamedNumber>(name, "a name and a number");
  std::string known;
  for (const NamedActivation& a : kActivations) {
    if (wanted == a.name) return {a.kind, float(parameter)};
    known += (known.empty() ? "'" : ", '") + std::string(a.name) + "'";
  }
  throw std::invalid_argument(naming(name) + " must be one of " + known + ", got '" + wanted + "'");
}

std::vector<std::vector<int>> Settings::table(const char* name) const {
  const Setting& value = find(name);
  std::vector<std::vector<int>> result;
  if (const auto* none = std::get_if<Integers>(&value); none && none->empty()) return result;
  for (const Integers& row : get<std::vector<Integers>>(name, "a list of lists of integers")) {
    result.emplace_back();
    for (const std::int64_t entry : row)
      result.back().push_back(checked(naming(name), entry, 0, INT32_MAX));
  }
  return result;
}

std::vector<std::string> Settings::texts(const char* name) const {
  const Setting& value = find(name);
  if (const auto* none = std::get_if<Integers>(&value); none && none->empty()) return {};
  return get<std::vector<std::string>>(name, "a list of texts");
}

void Settings::check_all_read() const {
  for (const auto& [name, value] : values_)
    if (!read_.count(name)) throw std::invalid_argument(kind_ + " has no setting '" + name + "'");
}

std::vector<std::string> activation_names() {
  std::vector<std::string> names;
  for (const NamedActivation& a : kActivations) names.push_back(a.name);
  return names;
}

}  // namespace pylenet
