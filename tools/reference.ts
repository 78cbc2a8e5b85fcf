// Writes the reference pages in docs/ from the tables of options, metrics and audit events.
import { writeFile } from 'node:fs/promises';
import { auditEventsPage, configurationPage, metricsPage } from './reference-page.ts';

const docs = new URL('../docs/', import.meta.url);
await writeFile(new URL('configuration.md', docs), configurationPage());
await writeFile(new URL('metrics.md', docs), metricsPage());
await writeFile(new URL('audit-events.md', docs), auditEventsPage());
