// What Python says of one layer: settings by name, which the layer reads and checks itself.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace pylenet {

// A number, truth or text, or a list of them, or a list of lists of numbers.
struct Setting {
  std::vector<double> numbers;
  std::vector<std::string> texts;
  std::vector<std::vector<double>> rows;
};

// Every reader throws std::invalid_argument, and names the setting, where it is missing, of another
// type or out of range.
class Settings {
 public:
  Settings(std::string kind, std::map<std::string, Setting> values)
      : kind_(std::move(kind)), values_(std::move(values)) {}

  const std::string& kind() const { return kind_; }
  bool flag(const char* name) const { return integer(name, 0, 1) == 1; }
  int integer(const char* name, int least, int most) const {
    return integers(name, 1, least, most)[0];
  }
  std::vector<int> integers(const char* name, std::size_t count, int least, int most) const;
  double real(const char* name) const { return find(name, 1, 0).numbers[0]; }
  // A text and three numbers. Only one that a layer can compute along with its own work, or any.
  Activation activation(const char* name) const;
  Activation any_activation(const char* name) const;
  // Lists that may be empty.
  const std::vector<std::string>& texts(const char* name) const { return find(name).texts; }
  std::vector<std::vector<int>> table(const char* name, int most) const;

  // Throws std::invalid_argument where a setting has not been read: the layer does not know it.
  void check_all_read() const;

 private:
  const Setting& find(const char* name) const;
  const Setting& find(const char* name, std::size_t numbers, std::size_t texts) const;
  int whole(const char* name, double value, int least, int most) const;

  std::string kind_;
  std::map<std::string, Setting> values_;
  mutable std::set<std::string> read_;
};

// All activations, by the names that Settings::any_activation takes, and those among them that
// Settings::activation takes.
std::vector<std::string> activation_names();
std::vector<std::string> joined_activation_names();

}  // namespace pylenet
