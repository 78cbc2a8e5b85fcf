import type { Rule } from './source-file.ts';

const KEBAB_CASE = /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|prop|pg|crash|slow))*\.(ts|js|mjs)$/;

/** A file is named by its one idea, in kebab-case; a suffix says what a test needs. */
export const fileNames: Rule = (files) =>
  files
    .filter(({ path }) => !KEBAB_CASE.test(path.slice(path.lastIndexOf('/') + 1)))
    .map(({ path }) => ({ path, line: 1, rule: 'file-name', message: 'not in kebab-case' }));
