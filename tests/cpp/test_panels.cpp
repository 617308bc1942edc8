// The layout of panels, with a weight type that only this test has: small integers, and for each matrix row a scale and
// a sum.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "pack/panels.h"

namespace {

float scale(const float* row, std::ptrdiff_t depth) {
  float largest = 0;
  for (std::ptrdiff_t k = 0; k < depth; ++k) largest = std::max(largest, std::abs(row[k]));
  return largest / 127;
}

std::int8_t rounded(float weight, float scale) { return static_cast<std::int8_t>(std::lround(weight / scale)); }

float sum(const float* row, std::ptrdiff_t depth) {
  float total = 0;
  for (std::ptrdiff_t k = 0; k < depth; ++k) total += row[k];
  return total;
}

void pack_small_row(const float* row, std::ptrdiff_t depth, std::byte* to, std::ptrdiff_t step, float* lane_vectors,
                    std::ptrdiff_t vector_step) {
  lane_vectors[0] = scale(row, depth);
  lane_vectors[vector_step] = sum(row, depth);
  for (std::ptrdiff_t k = 0; k < depth; ++k) {
    to[k * step] = static_cast<std::byte>(rounded(row[k], lane_vectors[0]));
  }
}

}  // namespace

// The size of a strip of 64 k is a whole page, so there is a cache line behind it.
TEST_CASE("four gates have two strips of two gates, unless the matrix is large") {
  constexpr int W = 8, gates = 4;
  const gatecell::PanelFormat format{W, sizeof(float), 0, {0, 1, 2, 3, 2}};
  for (const int depth : {5, 64}) {
    const gatecell::PanelShape shape(11, depth, gates, format);
    CHECK(shape.has_strips());
    const int strip = depth * 2 * W + (depth == 64 ? 16 : 0);
    REQUIRE(shape.size() == 2 * 2 * strip);
    std::vector<float> matrix(static_cast<std::size_t>(gates * 11 * depth));
    for (std::size_t i = 0; i < matrix.size(); ++i) matrix[i] = static_cast<float>(i + 1);
    std::vector<float> panels(static_cast<std::size_t>(shape.size()), 5.f), expected(panels.size(), 0.f);
    gatecell::pack_panels<float>(shape, gatecell::pack_row<float>(gatecell::WeightType::native), matrix.data(),
                                 reinterpret_cast<std::byte*>(panels.data()), nullptr);
    for (int unit = 0; unit < 11; ++unit) {
      for (int gate = 0; gate < gates; ++gate) {
        for (int k = 0; k < depth; ++k) {
          const int at = (unit / W * 2 + gate / 2) * strip + (k * 2 + gate % 2) * W + unit % W;
          expected[static_cast<std::size_t>(at)] = matrix[static_cast<std::size_t>((gate * 11 + unit) * depth + k)];
        }
      }
    }
    CHECK(panels == expected);
  }
  CHECK(!gatecell::PanelShape(11, 5, 3, format).has_strips());
  CHECK(!gatecell::PanelShape(512, 512, gates, format).has_strips());
}

TEST_CASE("a weight type has its own bytes, and vectors beside the panels") {
  constexpr int W = 4, units = 6, gates = 3, depth = 5, vectors = 2;  // two blocks, the second one half full
  const gatecell::PanelShape shape(units, depth, gates, {W, 1, vectors, {0, 1, 2, 3, 4}});
  REQUIRE(shape.bytes() == 2 * depth * gates * W);
  REQUIRE(shape.lane_vectors_size() == 2 * vectors * gates * W);
  std::vector<float> matrix(gates * units * depth);
  for (std::size_t i = 0; i < matrix.size(); ++i) matrix[i] = std::sin(static_cast<float>(i + 1));
  std::vector<std::byte> panels(static_cast<std::size_t>(shape.bytes()), std::byte{0x55});
  std::vector<float> lane_vectors(static_cast<std::size_t>(shape.lane_vectors_size()), 5.f);
  gatecell::pack_panels<float>(shape, pack_small_row, matrix.data(), panels.data(), lane_vectors.data());

  const auto at = [](const auto& values, int index) { return values[static_cast<std::size_t>(index)]; };
  for (int unit = 0; unit < 2 * W; ++unit) {
    for (int gate = 0; gate < gates; ++gate) {
      const bool padding = unit >= units;
      const float* row = padding ? nullptr : matrix.data() + (gate * units + unit) * depth;
      const int block = unit / W, lane = unit % W;
      CHECK(at(lane_vectors, ((block * vectors + 0) * gates + gate) * W + lane) == (padding ? 0 : scale(row, depth)));
      CHECK(at(lane_vectors, ((block * vectors + 1) * gates + gate) * W + lane) == (padding ? 0 : sum(row, depth)));
      for (int k = 0; k < depth; ++k) {
        const int found = static_cast<std::int8_t>(at(panels, ((block * depth + k) * gates + gate) * W + lane));
        CHECK(found == (padding ? 0 : rounded(row[k], scale(row, depth))));
      }
    }
  }
}
