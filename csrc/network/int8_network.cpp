#include "network/int8_network.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <variant>

#include "runtime/team.h"

namespace pylenet {

namespace {

std::size_t values_of(Int8Shape s) { return std::size_t(s.height) * s.width * s.channels; }

bool is_weighted(const Int8Step& step) { return step.kind == "conv2d" || step.kind == "dense"; }

// 2 x 2 windows side by side, none of them cut off.
bool halves(const Int8Step& pool, Int8Shape in) {
  const auto both = [](const int (&v)[2], int size) { return v[0] == size && v[1] == size; };
  return pool.kind == "max_pool2d" && both(pool.window, 2) && both(pool.strides, 2) &&
         both(pool.before, 0) && pool.out.height == in.height / 2 && pool.out.width == in.width / 2;
}

template <class T>
AlignedArray<T> copy_of(const std::vector<T>& values, std::size_t room) {
  auto copy = aligned_zeros<T>(std::max(room, values.size()));
  std::copy(values.begin(), values.end(), copy.get());
  return copy;
}

std::size_t room_of(const Int8Rows& rows, int lanes) {
  if (lanes == 1) return std::size_t(rows.rows) * rows.bytes;
  return std::size_t(rows.versions + 4) * rows.rows * rows.words * 4 *
         lanes;  // 4: words of columns
}

constexpr std::size_t kMostKept = std::size_t(1) << 28;  // bytes of a workspace

}  // namespace

// One step with its constants, in one layout.
struct Int8Network::Place {
  std::variant<Int8Conv, Int8Pool, Int8Affine, Int8Padding> step;
  bool dense = false, average = false;
  bool rows_as_they_are = false;  // one image alone, without padding
  bool answer = false;
  AlignedArray<std::int32_t> weights, bias, multiplier;
  AlignedArray<std::uint8_t> table;
};

struct Int8Network::Plan {
  const Int8Kernels* kernels;
  std::vector<Place> places;
  std::size_t bytes = 0, rows = 0;  // the largest buffers
  int zero;                         // of what comes out
};

struct Int8Network::Workspace {
  struct Thread {
    AlignedArray<std::uint8_t> bytes[2], rows;
    AlignedArray<std::int32_t> answer;
    AlignedArray<float> real;
  };
  const Plan* plan = nullptr;
  std::vector<Thread> threads;

  void reserve(const Plan& wanted, std::size_t outputs, int count) {
    if (plan != &wanted) threads.clear();
    plan = &wanted;
    while (int(threads.size()) < count) {
      Thread& t = threads.emplace_back();
      for (auto& bytes : t.bytes) bytes = aligned_zeros<std::uint8_t>(wanted.bytes + kInt8Slack);
      t.rows = aligned_zeros<std::uint8_t>(wanted.rows + kInt8Slack);
      t.answer = aligned_zeros<std::int32_t>(outputs * wanted.kernels->lanes + kInt8Slack);
      t.real = aligned_zeros<float>(outputs + kSlack);
    }
  }
};

Int8Network::Int8Network(Int8Shape input, std::int32_t low, const std::vector<Int8Step>& steps,
                         float scale, Activation function, const Int8InstructionSet& isa,
                         const InstructionSet& floats)
    : isa_(isa),
      floats_(floats),
      input_(input),
      zero_(low < 0 ? 128 : 0),
      scale_(scale),
      function_(function),
      inputs_(values_of(input)),
      mutex_(fork_safe_mutex()) {
  std::size_t values = inputs_;
  for (const Int8Step& step : steps) {
    if (values_of(step.in) != values || values_of(step.out) == 0)
      throw std::invalid_argument("a step must take what the one before it gives");
    if (is_weighted(step))
      cost_ += double(step.out.height) * step.out.width * step.kernel.size();
    else
      cost_ += double(values_of(step.in));
    values = values_of(step.out);
  }
  if (steps.empty()) throw std::invalid_argument("steps must not be empty");
  outputs_ = values;
  many_ = std::make_unique<Plan>(planned(isa.many, steps));
  single_ = std::make_unique<Plan>(planned(isa.single, steps));
}

Int8Network::~Int8Network() = default;

// The step's shape, and in `place` its weights as words, its bias without what `zero`, the byte of
// an input of 0, and the kernels' offset add to each sum.
Int8Conv Int8Network::weighted(Place& place, const Int8Step& step, const Int8Kernels& kernels,
                               int padded, int zero, bool wide) const {
  Int8Conv conv{};
  conv.in = place.dense ? Int8Shape{1, 1, int(values_of(step.in))} : step.in;
  conv.out = step.out;
  const int window[2] = {place.dense ? 1 : step.window[0], place.dense ? 1 : step.window[1]};
  const int row_weights = window[1] * conv.in.channels;
  const int stride = place.dense ? 1 : step.strides[1];
  conv.window_rows = window[0];
  // The odd byte of four rows in one word: worth it where it saves words.
  const bool odd = kernels.lanes > 1 && row_weights % 4 == 1 && window[0] > 1;
  conv.window_words = odd ? row_weights / 4 : (row_weights + 3) / 4;
  conv.columns_words = odd ? (window[0] + 3) / 4 : 0;
  conv.stride_rows = place.dense ? 1 : step.strides[0];
  conv.stride_bytes = stride * conv.in.channels;
  Int8Rows& rows = conv.rows;
  rows.top = place.dense ? 0 : step.before[0];
  rows.left = place.dense ? 0 : step.before[1];
  rows.rows =
      std::max(rows.top + conv.in.height, (conv.out.height - 1) * conv.stride_rows + window[0]);
  rows.bytes = std::max(rows.left + conv.in.width, (conv.out.width - 1) * stride + window[1]) *
               conv.in.channels;
  rows.words = rows.bytes / 4 + 2;
  rows.step = conv.out.width == 1 ? 4 : std::gcd(conv.stride_bytes, 4);
  rows.versions = 4 / rows.step;
  rows.zero = zero;
  place.rows_as_they_are = kernels.lanes == 1 && rows.rows == conv.in.height &&
                           rows.bytes == conv.in.width * conv.in.channels;
  conv.padded_channels = padded;
  conv.wide = wide;
  const int halves_of_word = conv.wide ? 2 : 1;
  const std::size_t row_words = std::size_t(conv.window_rows) * conv.window_words;
  place.weights =
      aligned_zeros<std::int32_t>((row_words + conv.columns_words) * halves_of_word * padded);
  for (int o = 0; o < conv.out.channels; o++) {
    std::int64_t sum = 0;
    for (int u = 0; u < conv.window_rows; u++) {
      const std::int8_t* row = &step.kernel[(std::size_t(o) * window[0] + u) * row_weights];
      for (int b = 0; b < row_weights; b++) {
        sum += row[b];
        const bool is_odd = odd && b == row_weights - 1;
        const std::size_t word =
            is_odd ? row_words + u / 4 : std::size_t(u) * conv.window_words + b / 4;
        const int byte = is_odd ? u % 4 : b % 4;
        if (conv.wide)
          place.weights[(word * 2 + byte % 2) * padded + o] |=
              std::int32_t(std::uint32_t(std::uint16_t(row[b])) << (byte / 2 * 16));
        else
          place.weights[word * padded + o] |=
              std::int32_t(std::uint32_t(std::uint8_t(row[b])) << (byte * 8));
      }
    }
    place.bias[o] = std::int32_t(place.bias[o] - (zero - (wide ? 0 : isa_.offset)) * sum);
  }
  conv.weights = place.weights.get();
  return conv;
}

Int8Network::Plan Int8Network::planned(const Int8Kernels& kernels,
                                       const std::vector<Int8Step>& steps) const {
  Plan plan;
  plan.kernels = &kernels;
  plan.zero = zero_;
  const auto reserve = [&](Int8Shape shape) {
    plan.bytes = std::max(plan.bytes, values_of(shape) * kernels.lanes);
  };
  reserve(input_);
  int largest = 255;  // byte that comes in
  for (std::size_t i = 0; i < steps.size(); i++) {
    const Int8Step& step = steps[i];
    Place place;
    place.dense = step.kind == "dense";
    place.average = step.kind == "average_pool2d";
    place.answer = step.high > 255;
    const int zero = plan.zero, zero_out = place.answer || step.low >= 0 ? 0 : 128;
    Int8Shape out = step.out;
    Int8End end{nullptr, nullptr, nullptr, step.low, step.high, step.shift, zero_out};
    const int tile = place.dense         ? kernels.dense_tile
                     : is_weighted(step) ? kernels.conv_tile
                                         : int(kInt8Slack / 4);
    const int padded = (step.out.channels + tile - 1) / tile * tile;
    if (!step.table.empty()) {
      place.table = aligned_zeros<std::uint8_t>(kTableSize + 4);
      for (int k = 0; k < kTableSize; k++) place.table[k] = std::uint8_t(step.table[k] + zero_out);
      end.table = place.table.get();
    }
    if (!place.average && !step.bias.empty()) {
      place.multiplier = copy_of(step.multiplier, padded);
      place.bias = copy_of(step.bias, padded);
      end.multiplier = place.multiplier.get();
      end.bias = place.bias.get();
    }
    if (is_weighted(step)) {
      Int8Conv conv = weighted(place, step, kernels, padded, zero, largest > isa_.top);
      plan.rows = std::max(plan.rows, room_of(conv.rows, kernels.lanes));
      conv.end = end;
      conv.pooled = !place.dense && i + 1 < steps.size() && halves(steps[i + 1], step.out) &&
                    std::is_sorted(step.table.begin(), step.table.end());
      if (conv.pooled) out = steps[++i].out;
      place.step = conv;
    } else if (step.kind == "max_pool2d" || place.average) {
      Int8Pool pool{step.in,
                    step.out,
                    step.window[0],
                    step.window[1],
                    step.strides[0],
                    step.strides[1],
                    step.before[0],
                    step.before[1],
                    zero,
                    nullptr,
                    end};
      if (place.average) {
        place.multiplier = aligned_zeros<std::int32_t>(std::size_t(out.height) * out.width);
        for (int r = 0; r < out.height; r++)
          for (int c = 0; c < out.width; c++) {
            const int row = r * pool.stride_rows - pool.top;
            const int column = c * pool.stride_columns - pool.left;
            const int rows = std::min(row + pool.window_rows, pool.in.height) - std::max(row, 0);
            const int columns =
                std::min(column + pool.window_columns, pool.in.width) - std::max(column, 0);
            for (const auto& [cells, multiplier] : step.cells)
              if (cells == rows * columns) place.multiplier[r * out.width + c] = multiplier;
          }
        pool.multiplier = place.multiplier.get();
      }
      place.step = pool;
    } else if (step.kind == "affine") {
      place.step = Int8Affine{step.in, zero, end};
    } else if (step.kind == "zero_padding2d") {
      place.step = Int8Padding{step.in, step.out, step.before[0], step.before[1], zero};
    } else {
      throw std::invalid_argument("unknown kind of step '" + step.kind + "'");
    }
    if (place.answer && i + 1 < steps.size())
      throw std::invalid_argument("only the last step may give more than int8");
    reserve(out);
    plan.zero = zero_out;
    largest = step.low < 0 ? 255 : step.high;
    plan.places.push_back(std::move(place));
  }
  return plan;
}

// From the images of one group to `answer` [value][lane].
template <class Thread>
void Int8Network::run(const Plan& plan, Thread& own, const std::uint8_t* images, int count) const {
  const Int8Kernels& k = *plan.kernels;
  std::uint8_t* x = nullptr;  // what the step before gave
  int next = 0;
  for (const Place& place : plan.places) {
    const auto* conv = std::get_if<Int8Conv>(&place.step);
    if (!x && !conv) {
      k.bytes_from_images(own.bytes[1].get(), images, inputs_, count, inputs_);
      x = own.bytes[1].get();
    }
    std::uint8_t* bytes = own.bytes[next].get();
    void* y = place.answer ? static_cast<void*>(own.answer.get()) : bytes;
    if (conv) {
      std::uint8_t* rows = own.rows.get();
      if (!x)
        k.rows_from_images(own.rows.get(), images, inputs_, count, conv->in, conv->rows);
      else if (place.rows_as_they_are)
        rows = x;
      else
        k.rows_from_bytes(own.rows.get(), x, conv->in, conv->rows);
      if (place.dense)
        k.dense(y, rows, *conv, place.answer);
      else
        k.conv2d(y, rows, *conv, place.answer);
    } else if (const auto* pool = std::get_if<Int8Pool>(&place.step)) {
      if (place.average)
        k.average_pool2d(y, x, *pool, place.answer);
      else
        k.max_pool2d(bytes, x, *pool);
    } else if (const auto* affine = std::get_if<Int8Affine>(&place.step)) {
      k.affine(y, x, *affine, place.answer);
    } else {
      k.zero_padding2d(bytes, x, std::get<Int8Padding>(place.step));
    }
    x = bytes;
    next = 1 - next;
  }
  if (plan.places.back().answer) return;
  for (std::size_t i = 0; i < outputs_ * k.lanes; i++) own.answer[i] = x[i] - plan.zero;
}

// To the caller's arrays.
template <class Thread>
void Int8Network::finish(const Plan& plan, Thread& own, std::int32_t* scores, float* y,
                         int count) const {
  const int lanes = plan.kernels->lanes;
  for (int l = 0; l < count; l++) {
    const std::int32_t* from = own.answer.get() + l;
    if (scores)
      for (std::size_t i = 0; i < outputs_; i++) scores[l * outputs_ + i] = from[i * lanes];
    if (!y) continue;
    for (std::size_t i = 0; i < outputs_; i++) own.real[i] = float(from[i * lanes]) * scale_;
    if (!is_linear(function_))
      floats_.single.activation_forward(own.real.get(), function_, outputs_);
    std::copy_n(own.real.get(), outputs_, y + l * outputs_);
  }
}

void Int8Network::predict(std::int32_t* scores, float* y, const std::uint8_t* images,
                          std::int64_t count, int threads, Interrupt& interrupt) const {
  const Plan& plan = count * 2 <= many_->kernels->lanes ? *single_ : *many_;
  const int lanes = plan.kernels->lanes;
  const int groups = int((count + lanes - 1) / lanes);
  const double work = cost_ / 4;  // of a group, in vectors of four products a lane; of one image
  threads = team_size(threads, groups, lanes > 1 ? work : work / isa_.many.lanes * 2);

  std::unique_ptr<Workspace> workspace;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto kept = std::find_if(idle_.rbegin(), idle_.rend(),
                             [&](const auto& own) { return own->plan == &plan; });
    if (kept != idle_.rend()) {
      workspace = std::move(*kept);
      idle_.erase(std::next(kept).base());
    }
  }
  if (!workspace) workspace = std::make_unique<Workspace>();
  workspace->reserve(plan, outputs_, threads);
  run_team(threads, [&](const Member& member) {
    Workspace::Thread& own = workspace->threads[member.thread];
    member.for_each(groups, [&](int group) {
      if (interrupt.came_before(work, member.thread)) return;
      const std::int64_t first = std::int64_t(group) * lanes;
      const int own_count = int(std::min<std::int64_t>(lanes, count - first));
      run(plan, own, images + first * inputs_, own_count);
      finish(plan, own, scores ? scores + first * outputs_ : nullptr,
             y ? y + first * outputs_ : nullptr, own_count);
    });
  });
  if (workspace->threads.size() * (plan.bytes * 2 + plan.rows) > kMostKept) return;
  try {
    const std::lock_guard<std::mutex> lock(mutex_);
    idle_.push_back(std::move(workspace));
  } catch (const std::bad_alloc&) {  // then the next call makes a new one
  }
}

}  // namespace pylenet
