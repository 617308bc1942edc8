// Floating-point mode while kernels run: denormals are zero (they cost hundreds of cycles each), rounding to nearest,
// nothing traps. The caller's mode, sticky flags included, comes back at the end.
#pragma once

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include <cstdint>

namespace gatecell {

// What the CPU's registers for it hold. x86: MXCSR. 32-bit ARM: FPSCR. 64-bit: FPCR, and FPSR with the sticky flags in
// the upper half.
#ifdef __x86_64__
inline std::uint64_t read_fp_mode() { return _mm_getcsr(); }
inline void write_fp_mode(std::uint64_t mode) { _mm_setcsr(static_cast<unsigned>(mode)); }
constexpr std::uint64_t kKernelFpMode = 0x1f80 | 0x8000 | 0x0040;  // all masked, flush to zero, denormals are zero
#elif defined(__arm__)
inline std::uint64_t read_fp_mode() {
  std::uint32_t mode;
  asm volatile("vmrs %0, fpscr" : "=r"(mode));
  return mode;
}
inline void write_fp_mode(std::uint64_t mode) {
  asm volatile("vmsr fpscr, %0" ::"r"(static_cast<std::uint32_t>(mode)));
}
constexpr std::uint64_t kKernelFpMode = 1 << 24;  // flush to zero, inputs too
#else
inline std::uint64_t read_fp_mode() {
  std::uint64_t control, status;
  asm volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(control), "=r"(status));
  return control | status << 32;
}
inline void write_fp_mode(std::uint64_t mode) {
  asm volatile("msr fpcr, %0\n\tmsr fpsr, %1" ::"r"(mode & 0xffffffff), "r"(mode >> 32));
}
constexpr std::uint64_t kKernelFpMode = 1 << 24;  // flush to zero, inputs too
#endif

class FpMode {
 public:
  FpMode() : saved_(read_fp_mode()) { write_fp_mode(kKernelFpMode); }
  ~FpMode() { write_fp_mode(saved_); }
  FpMode(const FpMode&) = delete;
  FpMode& operator=(const FpMode&) = delete;

 private:
  const std::uint64_t saved_;
};

}  // namespace gatecell
