/**
 * The memory of the process in the words of Go's `MemStats`, which the reference tells: as far as
 * Node has the like. Bytes.
 */
export function memoryStatistics(): Readonly<Record<string, number>> {
  const { rss, heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  return {
    Alloc: heapUsed + external,
    Sys: rss,
    HeapAlloc: heapUsed,
    HeapSys: heapTotal,
    HeapIdle: heapTotal - heapUsed,
    HeapInuse: heapUsed,
    OtherSys: external,
    BuffersInuse: arrayBuffers,
  };
}
