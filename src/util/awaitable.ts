/**
 * What is there at once, or comes later. On the way of every request: a promise for each of its
 * steps costs more than many of them.
 */
export type Awaitable<T> = T | Promise<T>;
