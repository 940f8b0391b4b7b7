#include "layers/settings.h"

#include <algorithm>
#include <stdexcept>

#include "kernels/activation_list.h"

namespace pylenet {

const Setting& Settings::find(const char* name) const {
  const auto found = values_.find(name);
  if (found == values_.end())
    throw std::invalid_argument(kind_ + " needs the setting '" + name + "'");
  read_.insert(name);
  return found->second;
}

const Setting& Settings::find(const char* name, std::size_t numbers, std::size_t texts) const {
  const Setting& found = find(name);
  if (found.numbers.size() != numbers || found.texts.size() != texts || !found.rows.empty())
    throw std::invalid_argument(kind_ + ": " + name + " must be " + std::to_string(numbers) +
                                " numbers and " + std::to_string(texts) + " texts");
  return found;
}

int Settings::whole(const char* name, double value, int least, int most) const {
  if (!(value >= least && value <= most) || value != double(int(value)))
    throw std::invalid_argument(kind_ + ": " + name + " must be a whole number from " +
                                std::to_string(least) + " to " + std::to_string(most) + ", got " +
                                std::to_string(value));
  return int(value);
}

std::vector<int> Settings::integers(const char* name, std::size_t count, int least,
                                    int most) const {
  std::vector<int> result;
  for (const double value : find(name, count, 0).numbers)
    result.push_back(whole(name, value, least, most));
  return result;
}

std::vector<std::vector<int>> Settings::table(const char* name, int most) const {
  std::vector<std::vector<int>> result;
  for (const auto& row : find(name).rows) {
    result.emplace_back();
    for (const double value : row) result.back().push_back(whole(name, value, 0, most));
  }
  return result;
}

Activation Settings::activation(const char* name) const {
  const Activation found = any_activation(name);
  const std::string own = activation_names()[std::size_t(found.kind)];
  const auto names = joined_activation_names();
  if (std::find(names.begin(), names.end(), own) == names.end())
    throw std::invalid_argument(kind_ + ": " + name + " must stand in a node of its own, got '" +
                                own + "'");
  return found;
}

Activation Settings::any_activation(const char* name) const {
  const Setting& setting = find(name, 3, 1);
  const auto names = activation_names();
  const auto found = std::find(names.begin(), names.end(), setting.texts[0]);
  if (found == names.end())
    throw std::invalid_argument(kind_ + ": " + name + " must be an activation, got '" +
                                setting.texts[0] + "'");
  return {ActivationKind(found - names.begin()), float(setting.numbers[0]),
          float(setting.numbers[1]), float(setting.numbers[2])};
}

void Settings::check_all_read() const {
  for (const auto& [name, value] : values_)
    if (!read_.count(name)) throw std::invalid_argument(kind_ + " has no setting '" + name + "'");
}

#define PYLENET_NAME(kind, name, Function) name,
std::vector<std::string> activation_names() {  // in the order of ActivationKind
  return {PYLENET_ACTIVATIONS(PYLENET_NAME)};
}
std::vector<std::string> joined_activation_names() {
  return {PYLENET_JOINED_ACTIVATIONS(PYLENET_NAME)};
}
#undef PYLENET_NAME

}  // namespace pylenet
