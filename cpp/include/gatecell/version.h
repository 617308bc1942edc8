// The version. CMake and pyproject.toml read it from this file.
#pragma once

#define GATECELL_VERSION "0.1.0"
