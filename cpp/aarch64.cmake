# Toolchain for 64-bit ARM on Debian: apt install g++-aarch64-linux-gnu qemu-user. Tests run in the emulator QEMU.
#   cmake -S . -B build/aarch64 -DCMAKE_TOOLCHAIN_FILE=cpp/aarch64.cmake -DGATECELL_BUILD_TESTS=ON
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
