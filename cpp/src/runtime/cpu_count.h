// The number of CPUs that a call may use.
#pragma once

namespace gatecell {

// The number of CPUs that the calling thread may run on. make_plan plans no more threads than that.
int usable_cpus();

}  // namespace gatecell
