// A reporter for `node --test`: one JSON object that tells what was run, for tools/test.mjs.

/** @param {AsyncIterable<{type: string, data: any}>} events */
async function* tally(events) {
  const counts = { passed: 0, failed: 0, skipped: 0, emptyFiles: [] };
  for await (const { type, data } of events) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (data.details?.type === 'suite') continue;
    // NOTE: a file without a test is reported as one test that is named by the file.
    if (
      data.nesting === 0 &&
      data.file !== undefined &&
      data.name.endsWith('.test.ts') &&
      data.file.endsWith(data.name)
    ) {
      if (type === 'test:pass') counts.emptyFiles.push(data.file);
      else counts.failed += 1;
    } else if (data.skip !== undefined || data.todo !== undefined) counts.skipped += 1;
    else if (type === 'test:pass') counts.passed += 1;
    else counts.failed += 1;
  }
  yield `${JSON.stringify(counts)}\n`;
}

// oxlint-disable-next-line import/no-default-export -- the runner takes a reporter's default export
export default tally;
