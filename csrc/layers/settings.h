// What Python says of one layer: settings by name, which the layer reads and checks itself.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "kernels/kernels.h"

namespace pylenet {

using Integers = std::vector<std::int64_t>;
using NamedNumber = std::pair<std::string, double>;
using Setting = std::variant<bool, std::int64_t, double, std::string, Integers, NamedNumber,
                             std::vector<Integers>, std::vector<std::string>>;

// Every reader throws std::invalid_argument, and names the setting, where it is missing, of another
// type or out of range.
class Settings {
 public:
  Settings(std::string kind, std::map<std::string, Setting> values)
      : kind_(std::move(kind)), values_(std::move(values)) {}

  const std::string& kind() const { return kind_; }
  bool flag(const char* name) const;
  int integer(const char* name, std::int64_t least, std::int64_t most) const;
  float real(const char* name) const;
  std::vector<int> integers(const char* name, std::size_t count, std::int64_t least,
                            std::int64_t most) const;
  Activation activation(const char* name) const;
  // Lists that may be empty.
  std::vector<std::vector<int>> table(const char* name) const;
  std::vector<std::string> texts(const char* name) const;

  // Throws std::invalid_argument where a setting has not been read: the layer does not know it.
  void check_all_read() const;

 private:
  template <class T>
  const T& get(const char* name, const char* type) const;
  const Setting& find(const char* name) const;
  std::string naming(const char* name) const { return kind_ + ": " + name; }

  std::string kind_;
  std::map<std::string, Setting> values_;
  mutable std::map<std::string, bool> read_;
};

// All activations, by the names that Settings::activation takes.
std::vector<std::string> activation_names();

}  // namespace pylenet
