// The class Meeting: how processes wait for each other in memory that they share.
#include "runtime/meeting.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <string>

#include "bindings/arrays.h"
#include "bindings/bind.h"
#include "bindings/gil.h"

namespace pylenet {

namespace {

using Seats = py::array_t<std::int64_t, py::array::c_style>;
constexpr py::ssize_t kSeat = sizeof(Meeting::Seat) / sizeof(std::int64_t);

class PythonMeeting {
 public:
  PythonMeeting(const py::object& seats, int own)
      : memory_(exactly<Seats>("seats", seats)), meeting_(checked(memory_, own), own, count()) {}

  void come(std::int64_t number, std::int64_t purpose) { meeting_.come(number, purpose); }
  void come_elsewhere(std::int64_t number) { meeting_.come_elsewhere(number); }
  std::optional<bool> wait(bool spin) {
    const GilReleased released;
    const Meeting::State state = meeting_.wait(spin);
    if (state == Meeting::State::kWaiting) return std::nullopt;
    return state == Meeting::State::kTogether;
  }

 private:
  int count() const { return int(memory_.shape(0)); }
  static Meeting::Seat* checked(Seats& seats, int own) {
    if (seats.ndim() != 2 || seats.shape(1) != kSeat)
      throw py::value_error("seats must have shape (n, " + std::to_string(kSeat) + "), got " +
                            shape_text(seats));
    if (own < 0 || own >= seats.shape(0))
      throw py::value_error("own must be one of the " + std::to_string(seats.shape(0)) +
                            " seats, got " + std::to_string(own));
    if (reinterpret_cast<std::uintptr_t>(seats.data()) % alignof(Meeting::Seat) != 0)
      throw py::value_error("seats must begin at a multiple of " +
                            std::to_string(alignof(Meeting::Seat)) + " bytes");
    return reinterpret_cast<Meeting::Seat*>(seats.mutable_data());
  }

  Seats memory_;
  Meeting meeting_;
};

}  // namespace

void bind_meeting(py::module_& m) {
  py::class_<PythonMeeting>(m, "Meeting")
      .def(py::init<const py::object&, int>(), py::arg("seats"), py::arg("own"))
      .def("come", &PythonMeeting::come, py::arg("number"), py::arg("purpose"))
      .def("come_elsewhere", &PythonMeeting::come_elsewhere, py::arg("number"))
      .def("wait", &PythonMeeting::wait, py::arg("spin"));
}

}  // namespace pylenet
