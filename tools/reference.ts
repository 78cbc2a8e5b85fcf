// Writes the reference pages in docs/ from the tables of options and metrics.
import { writeFile } from 'node:fs/promises';
import { configurationPage, metricsPage } from './reference-page.ts';

const docs = new URL('../docs/', import.meta.url);
await writeFile(new URL('configuration.md', docs), configurationPage());
await writeFile(new URL('metrics.md', docs), metricsPage());
