import { functionLines, isFunction } from './sizes.ts';
import { walk } from './source-file.ts';
import type { SourceFile } from './source-file.ts';

/** One line each for files and functions of `src/`: how many, median, 95th percentile, largest. */
export function statistics(files: readonly SourceFile[]): string {
  const sources = files.filter((file) => file.path.startsWith('src/') && !file.isTest);
  const tests = files.filter((file) => file.isTest);
  const functions = sources.flatMap((file) => {
    const lines: number[] = [];
    walk(file.program, (node) => {
      if (isFunction(node)) lines.push(functionLines(file, node));
    });
    return lines;
  });
  return [
    `source files: ${spread(sources.map((file) => file.lines.length - 1))}`,
    `functions:    ${spread(functions)}`,
    `test files:   ${spread(tests.map((file) => file.lines.length - 1))}`,
  ].join('\n');
}

function spread(sizes: readonly number[]): string {
  const sorted = sizes.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
  const total = sizes.reduce((sum, size) => sum + size, 0);
  return `${sizes.length}, ${total} lines; median ${at(0.5)}, p95 ${at(0.95)}, largest ${at(1)}`;
}
