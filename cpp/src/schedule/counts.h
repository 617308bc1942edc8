// What threads did in a call, counted where they do it: a test compares it with the plan.
#pragma once

#include <algorithm>
#include <cstdint>

namespace gatecell {

struct Counts {
  int threads = 0;
  std::int64_t fused_steps = 0, projected_steps = 0;  // of a layer, a direction, a group of rows, some hidden units
  std::int64_t most_steps = 0;                        // taken at a stretch
  std::int64_t most_rows = 0;                         // at once
  std::int64_t row_steps = 0;                         // of a layer, a direction, a row, some hidden units
  std::int64_t meetings = 0;                          // hidden units apart: in each step
  std::int64_t tasks = 0;                             // stretches
  std::int64_t weights_read = 0;                      // scalars, in panels
  std::int64_t joined_at = 0;                         // the step from which the team took part

  void add(const Counts& other) {
    threads += other.threads;
    fused_steps += other.fused_steps;
    projected_steps += other.projected_steps;
    most_steps = std::max(most_steps, other.most_steps);
    most_rows = std::max(most_rows, other.most_rows);
    row_steps += other.row_steps;
    meetings += other.meetings;
    tasks += other.tasks;
    weights_read += other.weights_read;
  }
};

}  // namespace gatecell
