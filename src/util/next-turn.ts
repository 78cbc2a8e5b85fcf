/**
 * The next turn of the event loop. Work of one request that takes many steps waits for it now and
 * then: others are served meanwhile, which no `await` of something that is there already does.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
