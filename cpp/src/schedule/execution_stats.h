// What the threads of a call did, counted where they do it. Steps before `joined_at`, which the calling thread takes
// alone while the workers wake, are not counted. A test compares the numbers with the plan.
#pragma once

#include <algorithm>
#include <cstdint>

namespace gatecell {

struct ExecutionStats {
  int threads = 0;
  // Steps by kind of step kernel. One is a time step of one direction run, for one group of rows, for one thread's
  // hidden units.
  std::int64_t fused_steps = 0, projected_steps = 0;
  std::int64_t most_steps = 0;    // in one chunk
  std::int64_t most_rows = 0;     // in one step
  std::int64_t row_steps = 0;     // the sum of rows over all fused and projected steps
  std::int64_t barriers = 0;      // of threads that split the hidden units
  std::int64_t tasks = 0;         // chunks of a direction run
  std::int64_t weights_read = 0;  // weights in panels
  std::int64_t joined_at = 0;     // the first step that the workers took part in

  // Adds what another thread did.
  void merge(const ExecutionStats& other) {
    threads += other.threads;
    fused_steps += other.fused_steps;
    projected_steps += other.projected_steps;
    most_steps = std::max(most_steps, other.most_steps);
    most_rows = std::max(most_rows, other.most_rows);
    row_steps += other.row_steps;
    barriers += other.barriers;
    tasks += other.tasks;
    weights_read += other.weights_read;
  }
};

}  // namespace gatecell
