// The floating-point mode while kernels run: denormals are zero (each would cost hundreds of cycles), rounding is to
// nearest, and no exception traps. At the end the caller's mode and sticky flags are restored.
#pragma once

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include <cstdint>

namespace gatecell {

// The mode is the content of the CPU's control registers. x86: MXCSR. 32-bit ARM: FPSCR. 64-bit ARM: FPCR in the lower
// half, FPSR with the sticky flags in the upper half.
#ifdef __x86_64__
inline std::uint64_t read_fp_mode() { return _mm_getcsr(); }
inline void write_fp_mode(std::uint64_t mode) { _mm_setcsr(static_cast<unsigned>(mode)); }
constexpr std::uint64_t kKernelFpMode =
    0x1f80 | 0x8000 | 0x0040;  // no exception traps, flush to zero, denormals are zero
#elif defined(__arm__)
inline std::uint64_t read_fp_mode() {
  std::uint32_t mode;
  asm volatile("vmrs %0, fpscr" : "=r"(mode));
  return mode;
}
inline void write_fp_mode(std::uint64_t mode) {
  asm volatile("vmsr fpscr, %0" ::"r"(static_cast<std::uint32_t>(mode)));
}
constexpr std::uint64_t kKernelFpMode = 1 << 24;  // flush to zero, for inputs and results
#else
inline std::uint64_t read_fp_mode() {
  std::uint64_t control, status;
  asm volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(control), "=r"(status));
  return control | status << 32;
}
inline void write_fp_mode(std::uint64_t mode) {
  asm volatile("msr fpcr, %0\n\tmsr fpsr, %1" ::"r"(mode & 0xffffffff), "r"(mode >> 32));
}
constexpr std::uint64_t kKernelFpMode = 1 << 24;  // flush to zero, for inputs and results
#endif

// Sets the mode of the kernels, and restores the mode before when it is destroyed.
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
