import type { Finding } from './source-file.ts';

/** One rule, in one file, does not hold; the reason convinces a reader. */
export interface Exception {
  readonly path: string;
  readonly rule: string;
  readonly reason: string;
}

/** All of them. The list may shrink; it grows only with a page in docs/decisions/. */
export const EXCEPTIONS: readonly Exception[] = [];

/** What is left of the findings, and the exceptions that excuse nothing any more. */
export function withoutExceptions(
  findings: readonly Finding[],
  exceptions: readonly Exception[],
): { readonly left: readonly Finding[]; readonly stale: readonly Exception[] } {
  const used = new Set<Exception>();
  const left = findings.filter((finding) => {
    const excuse = exceptions.find(
      ({ path, rule }) => path === finding.path && rule === finding.rule,
    );
    if (excuse !== undefined) used.add(excuse);
    return excuse === undefined;
  });
  return { left, stale: exceptions.filter((each) => !used.has(each)) };
}
