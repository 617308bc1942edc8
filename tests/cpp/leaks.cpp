// Things that an ISA object must not contain, one in each build of this file. check_isa_objects.cmake must find each.
extern "C" {

#if defined(LEAK_WEAK_SYMBOL)
inline __attribute__((noinline)) int leaked_function(int value) { return value + 1; }
int gatecell_kernels_leaky(int value) { return leaked_function(value); }
#elif defined(LEAK_GLOBAL_VARIABLE)
__attribute__((visibility("hidden"))) int leaked_variable = 1;
int gatecell_kernels_leaky() { return leaked_variable; }
#elif defined(LEAK_INITIALISER)
int outside();
static const int started = outside();
int gatecell_kernels_leaky() { return started; }
#endif
}
