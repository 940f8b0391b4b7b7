// A step of training that Python computes together with others: an object of Python's holds the
// memory that they have in common, and waits for them.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/gil.h"
#include "network/exchange.h"
#include "runtime/memory.h"

namespace pylenet {

namespace py = pybind11;

// The object's attributes are those of _Exchange in _core.pyi.
class PythonExchange final : public Exchange {
 public:
  PythonExchange(py::object others, std::size_t floats)
      : others_(std::move(others)),
        groups_(share_of("groups")),
        parts_(share_of("parts")),
        common_parameters_(others_.attr("common_parameters").cast<bool>()),
        gather_(others_.attr("gather")),
        wait_(others_.attr("wait")),
        memory_(exactly<FloatVector>("memory", others_.attr("memory")(floats))) {
    if (std::size_t(memory_.size()) < floats)
      throw py::value_error("memory must have " + std::to_string(floats) + " floats, got shape " +
                            shape_text(memory_));
    data_ = memory_.mutable_data();  // throws where it is read-only
    if (reinterpret_cast<std::uintptr_t>(data_) % kAlign != 0)
      throw py::value_error("memory must begin at a multiple of " + std::to_string(kAlign) +
                            " bytes");
  }

  float* memory() const override { return data_; }
  Range groups(std::size_t count) const override { return groups_.of(count); }
  Range parts(std::size_t count) const override { return parts_.of(count); }
  bool common_parameters() const override { return common_parameters_; }

  bool gather(const std::vector<RecordArray>& arrays, std::size_t groups) override {
    return call([&] {
      py::list places;
      for (const RecordArray& a : arrays) places.append(py::make_tuple(a.begin, a.floats));
      gather_(places, groups);
    });
  }
  bool wait() override {
    return call([&] { wait_(); });
  }

  // What it runs in; to be told before each call.
  void released(GilReleased& released) { released_ = &released; }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  struct Share {
    std::size_t own, all;
    Range of(std::size_t count) const { return {count * own / all, count * (own + 1) / all}; }
  };

  Share share_of(const char* name) const {
    const auto [own, all] = others_.attr(name).cast<std::pair<std::size_t, std::size_t>>();
    if (own >= all)
      throw py::value_error(std::string(name) + " must be a number and how many there are, got " +
                            std::to_string(own) + " of " + std::to_string(all));
    return {own, all};
  }

  template <class F>
  bool call(F f) {
    released_->with_gil([&] {
      try {
        f();
      } catch (...) {
        error_ = std::current_exception();
      }
    });
    return !error_;
  }

  const py::object others_;
  const Share groups_, parts_;
  const bool common_parameters_;
  const py::object gather_, wait_;
  FloatVector memory_;
  float* data_;
  GilReleased* released_ = nullptr;
  std::exception_ptr error_;
};

}  // namespace pylenet
