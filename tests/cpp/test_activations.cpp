// Compares sigmoid and tanh of every ISA with a wider type. The arguments are every 100th float32 of all that exist,
// including denormals, infinities and NaN. For double, the arguments are every 1000th float32. The mantissa bits that
// float32 lacks are computed from the other bits.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "gatecell/isa.h"
#include "kernels/table.h"
#include "problems.h"
#include "runtime/dispatch.h"

namespace {

using gatecell::Isa;

template <class T>
const gatecell::Kernels<T>& kernels(Isa isa) {
  const gatecell::KernelTable& table = gatecell::kernel_table(isa);
  if constexpr (std::is_same_v<T, float>) {
    return table.float32;
  } else {
    return table.float64;
  }
}

template <class T>
struct Limits;

template <>
struct Limits<float> {
  using Wide = double;
  static constexpr std::uint32_t stride = 100;
  static constexpr double error = 5e-7;
  static constexpr float sigmoid_is_one = 18, tanh_is_one = 10;  // from this argument on, 1 is the nearest number
};

template <>
struct Limits<double> {
  using Wide = long double;
  static constexpr std::uint32_t stride = 1000;
  static constexpr long double error = 1e-15L;
  static constexpr double sigmoid_is_one = 38, tanh_is_one = 20;
};

template <class T>
T argument(std::uint32_t bits) {
  float single;
  std::memcpy(&single, &bits, sizeof single);
  T value = single;
  if constexpr (std::is_same_v<T, double>) {
    std::uint64_t wide;
    std::memcpy(&wide, &value, sizeof wide);
    wide |= bits * std::uint64_t{0x9e3779b97f4a7c15} >> 35;  // the 29 mantissa bits that float lacks
    std::memcpy(&value, &wide, sizeof value);
  }
  return value;
}

enum class Function { sigmoid, tanh };

// Finds the largest error of y = f(x), and counts results that are wrong in other ways.
template <class T>
struct ErrorCounter {
  using Wide = typename Limits<T>::Wide;
  Function function;
  // The relative error. For a denormal result: Limits<T>::error times the error in units of the smallest normal number.
  Wide largest = 0;
  std::int64_t wrong_nan = 0, out_of_range = 0, unsaturated = 0;

  void operator()(T x, Wide exact, T y) {
    constexpr Wide normal = std::numeric_limits<T>::min();
    const bool sigmoid = function == Function::sigmoid;
    wrong_nan += std::isnan(x) != std::isnan(y);
    if (std::isnan(x) || std::isnan(y)) return;
    out_of_range += y > 1 || y < (sigmoid ? 0 : -1);
    if (sigmoid) {
      unsaturated += x >= Limits<T>::sigmoid_is_one && y != 1;
      unsaturated += x == -std::numeric_limits<T>::infinity() && y != 0;
    } else {
      unsaturated += std::abs(x) >= Limits<T>::tanh_is_one && y != std::copysign(T(1), x);
    }
    const Wide error = std::abs(Wide(y) - exact);
    largest =
        std::max(largest, std::abs(exact) >= normal ? error / std::abs(exact) : Limits<T>::error * error / normal);
  }
};

template <class Wide>
Wide evaluate(Function function, Wide x) {
  return function == Function::tanh ? std::tanh(x) : 1 / (1 + std::exp(-x));
}

}  // namespace

TEST_CASE_TEMPLATE("sigmoid and tanh over the whole range of float", T, float, double) {
  using Wide = typename Limits<T>::Wide;
  constexpr std::size_t block = 1 << 14;
  const auto stride = static_cast<std::uint32_t>(Limits<T>::stride * problems::work_divisor);
  const auto& isas = gatecell::available_isas();
  for (const Function function : {Function::sigmoid, Function::tanh}) {
    CAPTURE(static_cast<int>(function));
    std::vector<ErrorCounter<T>> errors(isas.size(), ErrorCounter<T>{function});
    std::vector<T> x(block), y(block), better(block);  // better: y of the previous ISA in the list
    std::vector<Wide> exact(block);
    std::int64_t differing_blocks = 0;
    for (std::uint64_t bits = 0; bits >> 32 == 0;) {
      for (std::size_t i = 0; i < block; ++i, bits += stride) {
        x[i] = argument<T>(static_cast<std::uint32_t>(bits));
        exact[i] = evaluate(function, Wide(x[i]));
      }
      for (std::size_t k = 0; k < isas.size(); ++k) {
        const auto& table = kernels<T>(isas[k]);
        (function == Function::tanh ? table.tanh : table.sigmoid)(x.data(), y.data(), block);
        for (std::size_t i = 0; i < block; ++i) errors[k](x[i], exact[i], y[i]);
        // Without FMA an ISA rounds differently.
        const bool comparable = k > 0 && gatecell::info(isas[k]).is_fused == gatecell::info(isas[k - 1]).is_fused;
        differing_blocks += comparable && !problems::same_values(y, better);
        better = y;
      }
    }
    CHECK(differing_blocks == 0);
    for (std::size_t k = 0; k < isas.size(); ++k) {
      CAPTURE(problems::describe(isas[k]));
      CHECK(errors[k].largest <= Limits<T>::error);
      CHECK(errors[k].wrong_nan == 0);
      CHECK(errors[k].out_of_range == 0);
      CHECK(errors[k].unsaturated == 0);
    }
  }
}

TEST_CASE_TEMPLATE("sigmoid and tanh at the edges of the type", T, float, double) {
  using Wide = typename Limits<T>::Wide;
  using Type = std::numeric_limits<T>;
  const T overflow = static_cast<T>(std::log(static_cast<Wide>(Type::max())));  // above this e^x is infinite
  std::vector<T> x = {T(0), Type::denorm_min(), Type::min(), Type::epsilon(), Type::max(), Type::infinity()};
  for (int i = -40; i <= 40; ++i) x.push_back(overflow + T(i) / 16);
  for (int i = -200; i <= 200; ++i) x.push_back(T(i) / 8);
  const std::size_t half = x.size();
  for (std::size_t i = 0; i < half; ++i) x.push_back(-x[i]);
  x.push_back(Type::quiet_NaN());
  x.resize((x.size() + 15) / 16 * 16);
  std::vector<T> y(x.size());
  for (const Isa isa : gatecell::available_isas()) {
    for (const Function function : {Function::sigmoid, Function::tanh}) {
      CAPTURE(problems::describe(isa));
      CAPTURE(static_cast<int>(function));
      const auto& table = kernels<T>(isa);
      (function == Function::tanh ? table.tanh : table.sigmoid)(x.data(), y.data(),
                                                                static_cast<std::ptrdiff_t>(x.size()));
      ErrorCounter<T> errors{function};
      for (std::size_t i = 0; i < x.size(); ++i) errors(x[i], evaluate(function, Wide(x[i])), y[i]);
      CHECK(errors.largest <= Limits<T>::error);
      CHECK(errors.wrong_nan + errors.out_of_range + errors.unsaturated == 0);
    }
  }
}
