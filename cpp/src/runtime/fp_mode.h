// Floating-point mode while kernels run: denormals are zero (they cost hundreds of cycles each), rounding to nearest,
// nothing traps. The caller's mode, sticky flags included, comes back at the end.
#pragma once

#include <immintrin.h>

namespace gatecell {

class FpMode {
 public:
  FpMode() : saved_(_mm_getcsr()) { _mm_setcsr(kMasked | kFlushToZero | kDenormalsAreZero); }
  ~FpMode() { _mm_setcsr(saved_); }
  FpMode(const FpMode&) = delete;
  FpMode& operator=(const FpMode&) = delete;

 private:
  static constexpr unsigned kMasked = 0x1f80, kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;
  const unsigned saved_;
};

}  // namespace gatecell
