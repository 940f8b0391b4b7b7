#include "network/int8_network.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
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
  return (pool.kind == "max_pool2d" || pool.kind == "average_pool2d") && both(pool.window, 2) &&
         both(pool.strides, 2) && both(pool.before, 0) && pool.out.height == in.height / 2 &&
         pool.out.width == in.width / 2;
}

template <class T>
AlignedArray<T> copy_of(const std::vector<T>& values, std::size_t room) {
  auto copy = aligned_zeros<T>(std::max(room, values.size()));
  std::copy(values.begin(), values.end(), copy.get());
  return copy;
}

bool is_answer(const Int8Step& step) { return step.high > 255; }

int zero_of(const Int8Step& step) { return is_answer(step) || step.low >= 0 ? 0 : 128; }

Int8End end_of(const Int8Step& step) {
  return {nullptr, nullptr, nullptr, step.low, step.high, step.shift, zero_of(step), false};
}

int rounded_up(int size, int multiple) { return (size + multiple - 1) / multiple * multiple; }

// Bytes that a step's rows take, with what belongs to them.
std::size_t room_of(const Int8Conv& conv, bool many) {
  const std::size_t words = std::size_t(2) * conv.rows.kept * conv.row_step;
  if (many) return words * 4;
  const std::size_t padded = std::size_t(conv.rows.rows) * conv.rows.values;
  return padded + (conv.columns_in_lanes ? words * 4 : padded * 2);
}

// The largest sum there may be: of each channel, |bias| and the inputs' `top` times its weights.
std::int64_t largest_sum(const Int8Step& step, int top) {
  std::int64_t largest = 0;
  const std::size_t weights = step.kernel.size() / step.bias.size();
  for (std::size_t o = 0; o < step.bias.size(); o++) {
    std::int64_t sum = std::abs(std::int64_t(step.bias[o]));
    for (std::size_t k = 0; k < weights; k++)
      sum += std::int64_t(top) * std::abs(int(step.kernel[o * weights + k]));
    largest = std::max(largest, sum);
  }
  return largest;
}

constexpr int kInt8MoreWords = 8;  // of weights, that a dense step reads behind the last
constexpr std::size_t kMostKept = std::size_t(1) << 28;  // bytes of a workspace

}  // namespace

// One step with its constants, in one layout.
struct Int8Network::Place {
  std::variant<Int8Conv, Int8Pool, Int8Affine, Int8Padding> step;
  bool dense = false, average = false;
  bool answer = false;
  AlignedArray<std::ptrdiff_t> offsets;
  AlignedArray<std::int32_t> weights, bias, multiplier, pooled_multiplier;
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
      t.real = aligned_zeros<float>(outputs * wanted.kernels->lanes + kSlack);
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
                               int zero, bool wide) const {
  Int8Conv conv{};
  const bool many = kernels.lanes > 1;
  const int lanes = isa_.many.lanes, values = wide ? 2 : 4;  // of a word
  conv.in = place.dense ? Int8Shape{1, 1, int(values_of(step.in))} : step.in;
  conv.out = step.out;
  const int window[2] = {place.dense ? 1 : step.window[0], place.dense ? 1 : step.window[1]};
  const int stride = place.dense ? 1 : step.strides[1];
  const int row_weights = window[1] * conv.in.channels;
  conv.window_rows = window[0];
  conv.stride_rows = place.dense ? 1 : step.strides[0];
  conv.stride_values = stride * conv.in.channels;

  // Columns of the output are in lanes where that leaves fewer lanes idle than channels do.
  const int width = conv.out.width, channels = conv.out.channels;
  conv.columns_in_lanes = kernels.columns_tile && !place.dense && !place.answer &&
                          conv.stride_values == 1 && channels <= kInt8MostInColumns &&
                          rounded_up(width, lanes) * channels < lanes * width;
  const bool in_places = many || conv.columns_in_lanes;  // words lie in places of their own

  // A word of the odd value of several rows is worth it where it saves words.
  const bool odd = in_places && row_weights % values == 1 && window[0] > 1;
  const int window_words = odd ? row_weights / values : (row_weights + values - 1) / values;
  conv.down_words = odd;

  Int8Rows& rows = conv.rows;
  rows.zero = zero;
  rows.wide = wide;
  rows.top = place.dense ? 0 : step.before[0];
  rows.left = place.dense ? 0 : step.before[1];
  // Kernels read two rows of windows, and some columns, at a time.
  const int read_rows = place.dense ? 1 : rounded_up(conv.out.height, 2);
  rows.rows = std::max(rows.top + conv.in.height, (read_rows - 1) * conv.stride_rows + window[0]);
  rows.kept = many ? std::min(rows.rows, conv.stride_rows + window[0]) : rows.rows;
  int read_columns = width;
  if (many && !place.dense)
    read_columns = rounded_up(width, kernels.columns);
  else if (!place.dense && !conv.columns_in_lanes)
    read_columns = std::max(width, kernels.columns);
  rows.values = std::max(rows.left + conv.in.width, (read_columns - 1) * stride + window[1]) *
                conv.in.channels;
  rows.step = conv.out.width == 1 ? values : std::gcd(conv.stride_values, values);
  conv.columns = many ? read_columns : rounded_up(width, lanes) / lanes;
  conv.column_step = many ? conv.stride_values / rows.step * lanes : lanes;
  const int last_word = (window_words - (odd ? 0 : 1)) * values;
  const int read_places = many ? ((read_columns - 1) * conv.stride_values + last_word) / rows.step
                               : conv.columns * lanes - 1 + last_word;
  rows.places = many ? read_places + 1 : rounded_up(read_places + 1, lanes);
  conv.row_step = rows.places * (many ? lanes : 1);

  const int tile = place.dense             ? kernels.dense_tile
                   : conv.columns_in_lanes ? kernels.columns_tile
                                           : kernels.conv_tile;
  // One image's dense step reads vectors of weights, the last ones across the end of a word's.
  const int padded = conv.padded_channels =
      rounded_up(channels, place.dense && !many ? lanes : tile);
  const std::size_t row_words = std::size_t(conv.window_rows) * window_words;
  const int down_words = odd ? (window[0] + values - 1) / values : 0;
  conv.words = int(row_words) + down_words;
  const int word_step = in_places ? values / rows.step * (many ? lanes : 1) : 4;
  const int window_row = in_places ? conv.row_step : rows.values * (wide ? 2 : 1);
  place.offsets = aligned_zeros<std::ptrdiff_t>(std::size_t(read_rows) * conv.words);
  for (int i = 0; i < read_rows; i++) {
    std::ptrdiff_t* offsets = &place.offsets[std::size_t(i) * conv.words];
    const auto row = [&](int of_window) { return (i * conv.stride_rows + of_window) % rows.kept; };
    for (int word = 0; word < int(row_words); word++)
      offsets[word] =
          std::ptrdiff_t(row(word / window_words)) * window_row + word % window_words * word_step;
    for (int word = 0; word < down_words; word++)
      offsets[row_words + word] =
          std::ptrdiff_t(rows.kept + row(std::min((word + 1) * values, window[0]) - 1)) *
          conv.row_step;
  }
  conv.offsets = place.offsets.get();
  conv.last_value = window_words * word_step;
  place.weights = aligned_zeros<std::int32_t>(std::size_t(conv.words + kInt8MoreWords) * padded);
  place.multiplier = copy_of(step.multiplier, rounded_up(channels, tile));
  place.bias = copy_of(step.bias, rounded_up(channels, tile));
  for (int o = 0; o < channels; o++) {
    std::int64_t sum = 0;
    for (int u = 0; u < conv.window_rows; u++) {
      const std::int8_t* row = &step.kernel[(std::size_t(o) * window[0] + u) * row_weights];
      for (int b = 0; b < row_weights; b++) {
        sum += row[b];
        const bool down = odd && b == row_weights - 1;
        const std::size_t word =
            down ? row_words + u / values : std::size_t(u) * window_words + b / values;
        // A word's lowest row is its last value, so that no row below the window is read.
        const int lowest = std::min(u / values * values + values, window[0]) - 1;
        const int value = down ? values - 1 - (lowest - u) : b % values;
        const int bits = value * (32 / values);
        const std::uint32_t weight = wide ? std::uint16_t(row[b]) : std::uint8_t(row[b]);
        place.weights[word * padded + o] |= std::int32_t(weight << bits);
      }
    }
    place.bias[o] = std::int32_t(place.bias[o] - (zero - (wide ? 0 : isa_.offset)) * sum);
  }
  conv.weights = place.weights.get();
  return conv;
}

// Whether sums up to `largest` may be rounded as floats; then the multipliers become such.
bool Int8Network::as_floats(AlignedArray<std::int32_t>& multiplier, std::size_t count, int shift,
                            std::int64_t largest) const {
  if (!isa_.floats || largest > (1 << 24)) return false;
  for (std::size_t k = 0; k < count; k++) {
    const float factor = std::ldexp(float(multiplier[k]), -shift);
    std::memcpy(&multiplier[k], &factor, sizeof factor);
  }
  return true;
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
  int largest = 255, top = zero_ ? 127 : 255;  // byte that comes in, and size of an integer
  for (std::size_t i = 0; i < steps.size(); i++) {
    const Int8Step& step = steps[i];
    const Int8Step* last = &step;
    Place place;
    place.dense = step.kind == "dense";
    place.average = step.kind == "average_pool2d";
    place.answer = is_answer(step);
    const int zero = plan.zero;
    Int8Shape out = step.out;
    Int8End end = end_of(step);
    if (!step.table.empty()) {
      place.table = aligned_zeros<std::uint8_t>(kTableSize + 4);
      for (int k = 0; k < kTableSize; k++) place.table[k] = std::uint8_t(step.table[k] + end.zero);
      end.table = place.table.get();
    }
    if (is_weighted(step)) {
      Int8Conv conv = weighted(place, step, kernels, zero, largest > isa_.top);
      plan.rows = std::max(plan.rows, room_of(conv, kernels.lanes > 1));
      end.multiplier = place.multiplier.get();
      end.bias = place.bias.get();
      end.floats = as_floats(place.multiplier, out.channels, step.shift, largest_sum(step, top));
      conv.end = end;
      const Int8Step* pool = !place.dense && i + 1 < steps.size() ? &steps[i + 1] : nullptr;
      if (pool && halves(*pool, step.out)) {
        if (pool->kind == "average_pool2d" && pool->high <= 255) {
          conv.pooled = Int8Pooled::kAverage;
          conv.pooled_end = end_of(*pool);
          place.pooled_multiplier = aligned_zeros<std::int32_t>(1);
          for (const auto& [cells, multiplier] : pool->cells)
            if (cells == 4) place.pooled_multiplier[0] = multiplier;
          conv.pooled_end.floats = as_floats(place.pooled_multiplier, 1, pool->shift, 4 * 127);
          conv.pooled_end.multiplier = place.pooled_multiplier.get();
        } else if (pool->kind == "max_pool2d" &&
                   std::is_sorted(step.table.begin(), step.table.end())) {
          conv.pooled = Int8Pooled::kLargest;
        }
      }
      place.step = conv;
      if (conv.pooled != Int8Pooled::kNot) {
        out = pool->out;
        last = pool;
        i++;
      }
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
        pool.end.floats =
            as_floats(place.multiplier, std::size_t(out.height) * out.width, step.shift,
                      std::int64_t(top) * step.window[0] * step.window[1]);
        pool.multiplier = place.multiplier.get();
      }
      place.step = pool;
    } else if (step.kind == "affine") {
      const int room = rounded_up(out.channels, kInt8Slack / 4);
      place.multiplier = copy_of(step.multiplier, room);
      place.bias = copy_of(step.bias, room);
      end.multiplier = place.multiplier.get();
      end.bias = place.bias.get();
      place.step = Int8Affine{step.in, zero, end};
    } else if (step.kind == "zero_padding2d") {
      place.step = Int8Padding{step.in, step.out, step.before[0], step.before[1], zero};
    } else {
      throw std::invalid_argument("unknown kind of step '" + step.kind + "'");
    }
    if (place.answer && i + 1 < steps.size())
      throw std::invalid_argument("only the last step may give more than int8");
    reserve(out);
    plan.zero = zero_of(*last);
    largest = last->low < 0 ? 255 : last->high;
    top = last->high;
    plan.places.push_back(std::move(place));
  }
  return plan;
}

// From the images of one group to `answer` [value][lane].
template <class Thread>
void Int8Network::run(const Plan& plan, Thread& own, const std::uint8_t* images, int count) const {
  const Int8Kernels& k = *plan.kernels;
  std::uint8_t* x = own.bytes[1].get();  // what the step before gave
  k.bytes_from_images(x, images, inputs_, count, inputs_);
  int next = 0;
  for (const Place& place : plan.places) {
    std::uint8_t* bytes = own.bytes[next].get();
    void* y = place.answer ? static_cast<void*>(own.answer.get()) : bytes;
    if (const auto* conv = std::get_if<Int8Conv>(&place.step)) {
      (place.dense ? k.dense : k.conv2d)(y, own.rows.get(), x, *conv, place.answer);
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
  const std::size_t lanes = plan.kernels->lanes;
  const std::int32_t* answer = own.answer.get();
  for (int l = 0; scores && l < count; l++)
    for (std::size_t i = 0; i < outputs_; i++) scores[l * outputs_ + i] = answer[i * lanes + l];
  if (!y) return;
  // The function of all images at once, where floats lie in as many lanes.
  const bool together = int(lanes) == floats_.lanes.lanes;
  const Kernels& floats = together ? floats_.lanes : floats_.single;
  const std::size_t step = together ? lanes : 1;
  float* real = own.real.get();
  for (std::size_t first = 0; first < lanes && int(first) < count; first += step) {
    for (std::size_t i = 0; i < outputs_; i++)
      for (std::size_t l = 0; l < step; l++)
        real[i * step + l] = float(answer[i * lanes + first + l]) * scale_;
    if (!is_linear(function_)) floats.activation_forward(real, function_, outputs_);
    for (std::size_t l = first; l < first + step && int(l) < count; l++)
      for (std::size_t i = 0; i < outputs_; i++) y[l * outputs_ + i] = real[i * step + l - first];
  }
}

void Int8Network::predict(std::int32_t* scores, float* y, const std::uint8_t* images,
                          std::int64_t count, int threads, Interrupt& interrupt) const {
  const Plan& plan = count * 2 <= many_->kernels->lanes ? *single_ : *many_;
  const int lanes = plan.kernels->lanes;
  const int groups = int((count + lanes - 1) / lanes);
  const double work = cost_ / 4;  // of a group, in vectors of four products a lane; of one image
  if (groups == 1)
    threads = 1;
  else
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
  const auto compute = [&](int group, int thread) {
    if (interrupt.came_before(work, thread)) return;
    Workspace::Thread& own = workspace->threads[thread];
    const std::int64_t first = std::int64_t(group) * lanes;
    const int own_count = int(std::min<std::int64_t>(lanes, count - first));
    run(plan, own, images + first * inputs_, own_count);
    finish(plan, own, scores ? scores + first * outputs_ : nullptr,
           y ? y + first * outputs_ : nullptr, own_count);
  };
  if (groups == 1)  // a team takes longer to call than one image to compute
    compute(0, 0);
  else
    run_team(threads, [&](const Member& member) {
      member.for_each(groups, [&](int group) { compute(group, member.thread); });
    });
  if (workspace->threads.size() * (plan.bytes * 2 + plan.rows) > kMostKept) return;
  try {
    const std::lock_guard<std::mutex> lock(mutex_);
    idle_.push_back(std::move(workspace));
  } catch (const std::bad_alloc&) {  // then the next call makes a new one
  }
}

}  // namespace pylenet
