// Promise 2 across machines: all instruction sets with FMA, on x86 and ARM, give results with these hashes. Weights and
// inputs are integers times powers of two, made by integer arithmetic. A change of the order of summation or of an
// activation changes the hashes. Then the version of the arithmetic is raised, and all ISAs must give the same new
// hashes.
#include <doctest/doctest.h>

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <limits>

#include "gatecell/build_info.h"
#include "problems.h"

using namespace problems;

namespace {

// Draws uniform numbers in [-2^exponent, 2^exponent) that use all mantissa bits. The generator is SplitMix64 by Steele,
// Lea and Flood.
class Numbers {
 public:
  template <class T>
  std::vector<T> draw(std::size_t count, int exponent) {
    constexpr int digits = std::numeric_limits<T>::digits;
    std::vector<T> values(count);
    for (T& value : values) {
      const auto integer = static_cast<std::int64_t>(next() >> (64 - digits)) - (std::int64_t{1} << (digits - 1));
      value = std::ldexp(static_cast<T>(integer), exponent - (digits - 1));
    }
    return values;
  }

 private:
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  std::uint64_t state_ = 0;
};

template <class T>
Problem<T> exact_problem(const Spec& spec, std::int64_t steps, std::int64_t rows) {
  Problem<T> problem = random_problem<T>(spec, steps, rows);  // gives the arrays their sizes
  Numbers numbers;
  for (auto* array : {&problem.x, &problem.h_0, &problem.c_0}) {
    *array = numbers.draw<T>(array->size(), 1);
  }
  for (auto& tensor : problem.weights) tensor = numbers.draw<T>(tensor.size(), -2);
  return problem;
}

// The 64-bit FNV-1a hash of all results.
template <class T>
std::string hash(const Output<T>& output) {
  std::uint64_t state = 0xcbf29ce484222325;
  for (const auto* array : {&output.y, &output.h_n, &output.c_n}) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(array->data());
    for (std::size_t i = 0; i < array->size() * sizeof(T); ++i) state = (state ^ bytes[i]) * 0x100000001b3;
  }
  char text[17];
  std::snprintf(text, sizeof text, "%016" PRIx64, state);
  return text;
}

struct Case {
  const char* spec;
  std::int64_t steps, rows;
  bool ragged;
  const char *float32, *float64;
};

// The hashes below belong to this version of the arithmetic.
constexpr int kVersion = 2;

const Case cases[] = {
    {"rnn_tanh I=5 H=19 L=2", 40, 1, false, "8487f48fb1fa8251", "58338bfeac81071b"},
    {"rnn_tanh I=21 H=40 no_bias bidirectional", 9, 7, false, "d362d8a0eef64d48", "7d958a6110abfa18"},
    {"rnn_relu I=5 H=19 L=2 bidirectional", 6, 2, false, "5f126be04a5ed377", "0172bf5f8ea102f3"},
    {"rnn_relu I=21 H=33", 5, 13, true, "d1f05f77670137df", "2f4f68b3d4de8471"},
    {"gru I=5 H=19 L=2", 40, 1, false, "635634c28b730dec", "3baa249979bea53c"},
    {"gru I=21 H=40 no_bias bidirectional", 9, 2, false, "4faa7d44a17d8e1b", "0c45bde78a6b2151"},
    {"gru I=64 H=67 L=2 bidirectional", 30, 33, true, "6aa286b1405c5a6b", "4d2e3a2efa0e5783"},
    {"lstm I=5 H=19 L=2", 40, 1, false, "9ca3780d7f5125b8", "5a06f549a77ad841"},
    {"lstm I=21 H=40 no_bias bidirectional", 9, 2, false, "865d75b25a24a4be", "24a1fbc9d2aadd97"},
    {"lstm I=64 H=67 L=2 bidirectional", 30, 33, true, "7002fd18cafaf1f5", "714af83aaa5a0c0e"},
    {"lstm I=5 H=19 L=2 P=7 bidirectional", 40, 1, false, "f60ad7c20d6b148a", "29188e4e268f3c15"},
    {"lstm I=21 H=40 P=30", 9, 10, true, "09a2e88aca03c961", "474afd50935ae1fe"},
    {"lstm I=5 H=19 L=2 peepholes=diagonal", 40, 1, false, "a6cc94504c72ae17", "e411d167f36eaa25"},
    {"lstm I=21 H=40 P=30 bidirectional peepholes=full", 9, 10, true, "7d8a62bc518094d7", "e8fc302480c234d0"},
    {"lstm I=21 H=40 no_bias coupled_gates gate_clip=1.5 cell_clip=0.75", 9, 7, false, "c5f4b3b346f6652b",
     "1be11ecb38bc40ee"},
    {"gru I=21 H=40 bidirectional reset=before", 9, 7, true, "ae919be1a9daa641", "bb26766f7457ff3b"},
    {"gru I=5 H=19 L=2 reset=none", 40, 1, false, "7356208b4669eb3c", "94376a729468aff6"},
    {"gru I=21 H=40 gate_clip=0.5", 9, 7, false, "951b6322fa9ab8ff", "8737ed4d12fd8e49"},
    {"rnn_relu I=21 H=40 gate_clip=0.5", 9, 7, false, "3c643f04955797e1", "871b1d33c7cb0de4"},
    // More than one section of products, of x, of h and of both.
    {"rnn_tanh I=300 H=19", 3, 7, false, "f24b9dc72c4a318e", "eaf92a0822246c71"},
    {"gru I=21 H=259", 3, 1, false, "d84f439f69c66a00", "579690cfe1225b93"},
    {"gru I=1027 H=5 reset=before", 2, 5, false, "2a68b14c680d4273", "7c5b79c8042d018e"},
    {"lstm I=515 H=261 P=258", 3, 9, false, "e76108efd6a5ee8b", "29f19653753708f6"},
    {"lstm I=33 H=257 peepholes=full", 2, 2, true, "53d1ce28f0c70dd6", "8a082fc853e2a07f"},
};

}  // namespace

TEST_CASE("the hashes belong to the version of the arithmetic") {
  CHECK(gatecell::build_info().arithmetic == kVersion);
}

TEST_CASE_TEMPLATE("every machine with FMA gives the same bits", T, float, double) {
  for (const Case& item : cases) {
    const auto problem = exact_problem<T>(parse_spec(item.spec), item.steps, item.rows);
    CAPTURE(describe(problem));
    std::vector<std::int64_t> lengths;
    for (std::int64_t row = 0; row < item.rows; ++row) lengths.push_back((item.steps - 1 + 7 * row) % (item.steps + 1));
    for (const Isa isa : alike_isas(true)) {
      CAPTURE(describe(isa));
      Output<T> output;
      Call<T> call = dense_call(problem, output);
      if (item.ragged) call.lengths = lengths.data();
      network(problem, isa).forward(call, 1);
      CHECK(hash(output) == std::string(sizeof(T) == 4 ? item.float32 : item.float64));
    }
  }
}

// One step of a cell without an activation shows the sums themselves.
TEST_CASE_TEMPLATE("sums have the order that spec.h describes", T, float, double) {
  for (const char* text : {"rnn_relu I=5 H=19", "rnn_relu I=257 H=5", "rnn_relu I=700 H=513", "rnn_relu I=3 H=1100"}) {
    const auto problem = exact_problem<T>(parse_spec(text), 1, 7);
    CAPTURE(describe(problem));
    const auto inputs = static_cast<std::size_t>(problem.spec.input_size);
    const auto hidden = static_cast<std::size_t>(problem.spec.hidden_size);
    const auto add_products = [](T total, const T* weights, const T* values, std::size_t count) {
      for (std::size_t first = 0; first < count; first += 256) {
        T chain = first == 0 ? total : T(0);
        for (std::size_t k = first; k < std::min(first + 256, count); ++k) {
          chain = std::fma(weights[k], values[k], chain);
        }
        total = first == 0 ? chain : total + chain;
      }
      return total;
    };
    std::vector<T> expected;
    for (std::size_t row = 0; row < 7; ++row) {
      for (std::size_t unit = 0; unit < hidden; ++unit) {
        T sum = problem.weights[2][unit] + problem.weights[3][unit];
        sum = add_products(sum, &problem.weights[0][unit * inputs], &problem.x[row * inputs], inputs);
        sum = add_products(sum, &problem.weights[1][unit * hidden], &problem.h_0[row * hidden], hidden);
        expected.push_back(std::max(sum, T(0)));
      }
    }
    for (const Isa isa : alike_isas(true)) {
      CAPTURE(describe(isa));
      CHECK(run(network(problem, isa), problem).y == expected);
    }
  }
}

TEST_CASE_TEMPLATE("relu keeps -0 and NaN", T, float, double) {
  Problem<T> problem = random_problem<T>("rnn_relu I=1 H=19", 1, 3);
  for (std::size_t i = 0; i < 4; ++i)
    std::fill(problem.weights[i].begin(), problem.weights[i].end(), i < 2 ? T(-1) : -T(0));
  std::fill(problem.h_0.begin(), problem.h_0.end(), T(0));
  problem.x = {T(0), std::numeric_limits<T>::quiet_NaN(), T(1)};
  for (const Isa isa : gatecell::available_isas()) {
    CAPTURE(describe(isa));
    const std::vector<T> y = run(network(problem, isa), problem).y;
    for (std::size_t unit = 0; unit < 19; ++unit) {
      CHECK((y[unit] == 0 && std::signbit(y[unit])));
      CHECK(std::isnan(y[19 + unit]));
      CHECK((y[38 + unit] == 0 && !std::signbit(y[38 + unit])));
    }
  }
}
