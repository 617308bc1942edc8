#include "schedule/ragged.h"

#include <algorithm>
#include <numeric>

#include "schedule/plan.h"

namespace gatecell {

template <class T>
Extent extent(const Call<T>& call) {
  if (!call.lengths || call.rows == 0) return {};
  const std::int64_t* const end = call.lengths + call.rows;
  return {*std::max_element(call.lengths, end), std::accumulate(call.lengths, end, std::int64_t{0})};
}

template <class T>
Ragged::Ragged(const Call<T>& call, std::int64_t longest, int shares) : layout_(call.layout), steps_(longest) {
  const auto rows = static_cast<std::size_t>(call.rows), steps = static_cast<std::size_t>(longest);
  rows_.resize(rows);
  lengths_.resize(rows);
  state_rows_.resize(rows);
  index_.resize(rows);

  // A stable counting sort. longer[t] is the number of rows that are longer than t. It is also the number of rows
  // of a packed layout at step t.
  std::vector<std::ptrdiff_t> longer(steps + 1);
  for (std::size_t r = 0; r < rows; ++r) {
    if (call.lengths[r] > 0) ++longer[static_cast<std::size_t>(call.lengths[r]) - 1];
  }
  for (std::size_t t = steps; t-- > 0;) longer[t] += longer[t + 1];
  if (call.layout == Layout::packed) {
    rows_before_step_.resize(steps + 1);
    std::partial_sum(longer.begin(), longer.end() - 1, rows_before_step_.begin() + 1);
  }
  std::int64_t before = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    const std::int64_t rank = longer[static_cast<std::size_t>(call.lengths[r])]++, row = static_cast<std::int64_t>(r);
    const auto place =
        static_cast<std::size_t>(first_row(call.rows, shares, static_cast<int>(rank % shares)) + rank / shares);
    rows_[place] = row;
    lengths_[place] = call.lengths[r];
    state_rows_[place] = call.state_rows ? call.state_rows[r] : row;
    index_[place] = call.layout == Layout::jagged ? before : row;
    before += call.lengths[r];
  }
}

template Extent extent<float>(const Call<float>&);
template Extent extent<double>(const Call<double>&);
template Ragged::Ragged(const Call<float>&, std::int64_t, int);
template Ragged::Ragged(const Call<double>&, std::int64_t, int);

}  // namespace gatecell
