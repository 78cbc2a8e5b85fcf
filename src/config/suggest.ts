const NAME_LENGTH_MAX = 64;

/** The name that was probably meant: one with few other letters, or one that contains it. */
export function suggest(name: string, known: readonly string[]): string | undefined {
  if (name.length > NAME_LENGTH_MAX) return undefined;
  let best: string | undefined;
  let fewest = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(letters(name), letters(candidate));
    if (distance < fewest) {
      best = candidate;
      fewest = distance;
    }
  }
  return best ?? known.find((candidate) => name.length >= 4 && candidate.includes(name));
}

/** Sync Gateway's older names differ from the newer ones in case and underscores only. */
function letters(name: string): string {
  return name.toLowerCase().replaceAll(/[_-]/g, '');
}

/** How many letters must be put in, left out or changed to come from `from` to `to`. */
function editDistance(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const changed = (above[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1);
      const added = (current[column - 1] ?? 0) + 1;
      const removed = (above[column] ?? 0) + 1;
      current.push(Math.min(changed, added, removed));
    }
    above = current;
  }
  return above[to.length] ?? 0;
}
