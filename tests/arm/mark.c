// The marks between which count.c counts.
void start(void) { __asm__ volatile("hint #64" ::: "memory"); }
void stop(void) { __asm__ volatile("hint #80" ::: "memory"); }
