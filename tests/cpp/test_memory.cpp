// What a call reads and writes. x and y may have any strides. A call touches nothing outside the arrays and nothing
// between their rows. It can update the state in place. Calls may be empty.
#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <list>
#include <string>

#include "problems.h"
#include "runtime/memory.h"

using namespace problems;

namespace {

std::vector<Spec> specs() {
  std::vector<Spec> result = every_cell("I=5 H=19 L=2 bidirectional");
  result.push_back(parse_spec("lstm I=5 H=19 L=2 P=7 bidirectional"));
  for (const Spec& spec : extended_specs("I=5 H=19 L=2 bidirectional")) result.push_back(spec);
  return result;
}

// A NaN that no computation gives. It marks memory that a call must not read or write.
template <class T>
T poison() {
  T value = std::numeric_limits<T>::quiet_NaN();
  std::uint32_t payload = 0xbad;
  std::memcpy(&value, &payload, 2);  // the low bits of the mantissa
  return value;
}

// The memory layout of an array (T, B, features).
struct Layout {
  std::string name;
  std::int64_t step, row, first;  // strides and offset of element (0, 0), in elements
  std::size_t size;
};

std::vector<Layout> layouts(std::int64_t steps, std::int64_t rows, std::int64_t width) {
  const auto size = [](std::int64_t count) { return static_cast<std::size_t>(count); };
  return {{"dense", rows * width, width, 0, size(steps * rows * width)},
          {"padded rows", rows * (width + 3), width + 3, 2, size(steps * rows * (width + 3))},
          {"padded steps", rows * width + 11, width, 7, size(steps * (rows * width + 11))},
          {"batch first", width, steps * width, 0, size(steps * rows * width)},
          {"batch first, padded", width + 1, steps * (width + 1) + 5, 3, size(rows * (steps * (width + 1) + 5))},
          {"reversed", -rows * width, -width, (steps * rows - 1) * width, size(steps * rows * width)}};
}

// Calls visit(position in the layout, position in the dense array) for every element.
template <class Visit>
void for_each(const Layout& layout, std::int64_t steps, std::int64_t rows, std::int64_t width, Visit visit) {
  for (std::int64_t t = 0; t < steps; ++t) {
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t k = 0; k < width; ++k) {
        visit(static_cast<std::size_t>(layout.first + t * layout.step + row * layout.row + k),
              static_cast<std::size_t>((t * rows + row) * width + k));
      }
    }
  }
}

// A copy of an array whose end is the end of readable memory.
template <class T>
class Guarded {
 public:
  explicit Guarded(const std::vector<T>& values) : size_(values.size()) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t data = (size_ * sizeof(T) + page - 1) / page * page;
    bytes_ = data + page;
    base_ = static_cast<char*>(mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REQUIRE(base_ != MAP_FAILED);
    REQUIRE(mprotect(base_ + data, page, PROT_NONE) == 0);
    data_ = reinterpret_cast<T*>(base_ + data - size_ * sizeof(T));
    std::copy(values.begin(), values.end(), data_);
  }
  ~Guarded() { munmap(base_, bytes_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  T* data() const { return data_; }
  std::vector<T> values() const { return {data_, data_ + size_}; }

 private:
  std::size_t size_, bytes_;
  char* base_;
  T* data_;
};

}  // namespace

TEST_CASE_TEMPLATE("x and y may have any strides; memory between rows is not read and not written", T, float, double) {
  for (const Isa isa : gatecell::available_isas()) {
    for (const Spec& spec : specs()) {
      const auto problem = random_problem<T>(spec, 4, 7);
      const std::int64_t steps = problem.steps, rows = problem.rows, in = spec.input_size, out = spec.output_size();
      const auto net = network(problem, isa);
      const auto expected = run(net, problem);
      for (const Layout& from : layouts(steps, rows, in)) {
        for (const Layout& to : layouts(steps, rows, out)) {
          CAPTURE(describe(problem));
          CAPTURE(describe(isa));
          CAPTURE(from.name);
          CAPTURE(to.name);
          std::vector<T> x(from.size, poison<T>()), y(to.size, poison<T>()), y_expected = y;
          for_each(from, steps, rows, in, [&](std::size_t i, std::size_t dense) { x[i] = problem.x[dense]; });
          for_each(to, steps, rows, out, [&](std::size_t i, std::size_t dense) { y_expected[i] = expected.y[dense]; });
          Output<T> output;
          Call<T> call = dense_call(problem, output);
          call.x = x.data() + from.first;
          call.x_step = from.step;
          call.x_row = from.row;
          call.y = y.data() + to.first;
          call.y_step = to.step;
          call.y_row = to.row;
          for (const int threads : {1, 2}) net.forward(call, threads);
          CHECK(same_bits(y, y_expected));
          CHECK(same_bits(output.h_n, expected.h_n));
          CHECK(same_bits(output.c_n, expected.c_n));
        }
      }
    }
  }
}

TEST_CASE_TEMPLATE("strides of zero: all rows and all steps read the same x", T, float, double) {
  auto problem = random_problem<T>("gru I=5 H=19 bidirectional", 4, 7);
  const std::vector<T> row(problem.x.begin(), problem.x.begin() + 5);
  for (std::size_t i = 0; i < problem.x.size(); ++i) problem.x[i] = row[i % 5];
  for (const Isa isa : gatecell::available_isas()) {
    const auto net = network(problem, isa);
    Output<T> output;
    Call<T> call = dense_call(problem, output);
    call.x = row.data();
    call.x_step = call.x_row = 0;
    net.forward(call, 1);
    CHECK(same_bits(output, run(net, problem)));
  }
}

TEST_CASE_TEMPLATE("nothing behind the end of an array is read or written", T, float, double) {
  for (const Isa isa : gatecell::available_isas()) {
    for (const Spec& spec : specs()) {
      for (const std::int64_t rows : {1, 2, 5, 8}) {
        const auto problem = random_problem<T>(spec, 3, rows);
        CAPTURE(describe(problem));
        const auto net = network(problem, isa);
        const auto expected = run(net, problem);
        Guarded<T> x(problem.x), h_0(problem.h_0), c_0(problem.c_0);
        Output<T> output;
        Call<T> call = dense_call(problem, output);
        Guarded<T> y(output.y), h_n(output.h_n), c_n(output.c_n);
        call.x = x.data();
        call.h_0 = h_0.data();
        call.c_0 = problem.c_0.empty() ? nullptr : c_0.data();
        call.y = y.data();
        call.h_n = h_n.data();
        call.c_n = problem.c_0.empty() ? nullptr : c_n.data();
        net.forward(call, 1);
        CHECK(same_bits(Output<T>{y.values(), h_n.values(), c_n.values()}, expected));
      }
    }
  }
}

TEST_CASE_TEMPLATE("weights may end at the end of readable memory", T, float, double) {
  for (const Isa isa : gatecell::available_isas()) {
    for (const Spec& spec : specs()) {
      const auto problem = random_problem<T>(spec, 2, 3);
      std::list<Guarded<T>> guarded;  // they cannot be moved
      for (const auto& tensor : problem.weights) guarded.emplace_back(tensor);
      const auto weights = reference::views<T>(spec, guarded);
      CHECK(same_bits(run(Network<T>(spec, weights, isa), problem), run(network(problem, isa), problem)));
    }
  }
}

TEST_CASE_TEMPLATE("a call updates the state in place", T, float, double) {
  for (const Isa isa : gatecell::available_isas()) {
    for (const Spec& spec : specs()) {
      const auto problem = random_problem<T>(spec, 4, 7);
      CAPTURE(describe(problem));
      const auto net = network(problem, isa);
      for (const int threads : {1, 2}) {
        Output<T> output;
        Call<T> call = dense_call(problem, output);
        output.h_n = problem.h_0;
        output.c_n = problem.c_0;
        call.h_0 = call.h_n = output.h_n.data();
        call.c_0 = call.c_n = output.c_n.empty() ? nullptr : output.c_n.data();
        net.forward(call, threads);
        CHECK(same_bits(output, run(net, problem)));
      }
    }
  }
}

TEST_CASE_TEMPLATE("a call without steps copies the state; a call without rows does nothing", T, float, double) {
  for (const Isa isa : gatecell::available_isas()) {
    for (const Spec& spec : specs()) {
      for (const int threads : {1, 2}) {
        auto problem = random_problem<T>(spec, 0, 3);
        CAPTURE(describe(problem));
        problem.h_0[1] = std::numeric_limits<T>::denorm_min();
        const auto net = network(problem, isa);
        CHECK(same_bits(run(net, problem, threads), Output<T>{{}, problem.h_0, problem.c_0}));

        const Output<T> zeros{{}, std::vector<T>(problem.h_0.size()), std::vector<T>(problem.c_0.size())};
        problem.h_0.clear();
        problem.c_0.clear();
        CHECK(same_bits(run(net, problem, threads), zeros));

        for (const std::int64_t steps : {0, 4}) {
          CHECK(same_bits(run(net, random_problem<T>(spec, steps, 0), threads), Output<T>{}));
        }
      }
    }
  }
}

TEST_CASE("allocations of any size are aligned, writable and freed") {
  for (const std::size_t bytes : {std::size_t{1}, gatecell::kPage + 1, gatecell::kHugePage - 1, gatecell::kHugePage,
                                  gatecell::kHugePage + 1, 3 * gatecell::kHugePage + 5}) {
    CAPTURE(bytes);
    std::uintptr_t address = 0;
    {
      const gatecell::Allocation allocation = gatecell::allocate_memory(bytes);
      address = reinterpret_cast<std::uintptr_t>(allocation.get());
      CHECK(address % (bytes >= gatecell::kHugePage ? gatecell::kHugePage : gatecell::kPage) == 0);
      std::fill_n(allocation.get(), bytes, std::byte{1});
    }
    if (bytes >= gatecell::kHugePage) {  // this was a mapping, which no longer exists
      unsigned char resident;
      CHECK(mincore(reinterpret_cast<void*>(address), gatecell::kPage, &resident) != 0);
    }
  }
  CHECK_THROWS_AS(gatecell::allocate_memory(std::numeric_limits<std::size_t>::max()), std::bad_alloc);
  CHECK_THROWS_AS(gatecell::allocate_memory(std::numeric_limits<std::size_t>::max() / 2), std::bad_alloc);
}
