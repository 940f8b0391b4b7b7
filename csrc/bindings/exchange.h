// A step of training that Python computes together with others: a function exchanges the records.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <exception>
#include <utility>
#include <vector>

#include "bindings/gil.h"
#include "network/exchange.h"

namespace pylenet {

namespace py = pybind11;

// Shares the groups among `ranks` and computes those of `rank`. `function(records, losses,
// correct)` fills in the others': records is a list of arrays (groups, floats), losses and correct
// are arrays (images,) or None; all are views that end with the call.
class PythonExchange final : public Exchange {
 public:
  PythonExchange(std::size_t rank, std::size_t ranks, py::function function)
      : rank_(rank), ranks_(ranks), function_(std::move(function)) {
    if (rank >= ranks) throw py::value_error("exchange must have a rank below its ranks");
  }

  Range share(std::size_t groups) const override {
    return {groups * rank_ / ranks_, groups * (rank_ + 1) / ranks_};
  }

  bool run(const std::vector<RecordArray>& records, std::size_t groups, float* losses,
           std::int32_t* correct, int images) override {
    released_->with_gil([&] {
      try {
        py::list arrays;
        for (const RecordArray& a : records) arrays.append(view(a.data, {groups, a.floats}));
        if (losses)
          function_(arrays, view(losses, {std::size_t(images)}),
                    view(correct, {std::size_t(images)}));
        else
          function_(arrays, py::none(), py::none());
      } catch (...) {
        error_ = std::current_exception();
      }
    });
    return !error_;
  }

  // What it runs in; to be told before each call.
  void released(GilReleased& released) { released_ = &released; }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  template <class T>
  static py::array view(T* data, std::vector<std::size_t> shape) {
    return py::array_t<T>(std::move(shape), data, py::capsule(data, [](void*) {}));
  }

  std::size_t rank_, ranks_;
  py::function function_;
  GilReleased* released_ = nullptr;
  std::exception_ptr error_;
};

}  // namespace pylenet
