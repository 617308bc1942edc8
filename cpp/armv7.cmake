# Toolchain for 32-bit ARM with NEON and fused multiply-add (ARMv7-A, VFPv4) on Debian:
#   apt install g++-arm-linux-gnueabihf qemu-user
#   cmake -S . -B build/armv7 -DCMAKE_TOOLCHAIN_FILE=cpp/armv7.cmake -DGATECELL_BUILD_TESTS=ON
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR armv7l)
set(CMAKE_CXX_COMPILER arm-linux-gnueabihf-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-arm -L /usr/arm-linux-gnueabihf)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
