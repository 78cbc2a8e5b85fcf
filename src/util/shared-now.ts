/**
 * Milliseconds that go on evenly, the same for all threads of a process: for how long something has
 * waited, whatever becomes of the clock.
 */
export function sharedNowMs(): number {
  return performance.timeOrigin + performance.now();
}
