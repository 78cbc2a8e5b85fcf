import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Locator, Page } from 'playwright-core';
import { ApiDescription } from './helpers/api-description.ts';
import { startBrowser } from './helpers/browser.ts';
import type { Tab } from './helpers/browser.ts';
import { createDatabase } from './helpers/database.ts';
import { startTestGateway } from './helpers/gateway.ts';
import type { TestGateway } from './helpers/gateway.ts';
import { request } from './helpers/http.ts';

// The page of the API's description, as a person sees it: in a real browser. The tests go on in the
// same page, as that person would.
const open = new AsyncDisposableStack();
let gateway: TestGateway;
let tab: Tab;

before(async () => {
  gateway = open.use(await startTestGateway());
  tab = await open.use(await startBrowser()).openTab();
  await tab.page.goto(`${gateway.admin}/_openapi/`);
});
after(() => open.disposeAsync());

/** Shows all operations of that interface. */
async function choose(port: 'public' | 'admin' | 'metrics'): Promise<Page> {
  const { page } = tab;
  await page.getByLabel('Select a definition').selectOption({ label: port });
  await page.getByRole('heading', { name: `Tidegate: ${port} interface` }).waitFor();
  await page.locator('.opblock-tag').first().waitFor();
  // NOTE: what was open in one description is open in the next.
  const closed = page.locator('.opblock-tag[data-is-open="false"]');
  while ((await closed.count()) > 0) await closed.first().click();
  return page;
}

/** It was content, and had everything from the gateway. */
function assertAtEase(): void {
  const { asked, complaints } = tab;
  assert.deepEqual(complaints, []);
  const elsewhere = asked.filter((each) => !each.split(' ')[1]?.startsWith(`${gateway.admin}/`));
  assert.deepEqual(elsewhere, []);
}

function operation(page: Page, method: string, path: string): Locator {
  const block = page.locator(`.opblock-${method.toLowerCase()}`);
  return block.filter({ has: page.locator(`[data-path="${path}"]`) });
}

test('each interface can be chosen, and all of its operations are shown', async () => {
  for (const port of ['metrics', 'public', 'admin'] as const) {
    const page = await choose(port);
    const all = (await ApiDescription.of(gateway.admin, port)).operations();
    // The page leaves out what is answered as the GET beside it.
    const described = all.filter(({ at }) => !at.startsWith('head '));
    await page
      .locator('.opblock')
      .nth(described.length - 1)
      .waitFor();
    const shown = await page.locator('.opblock-summary-path').allInnerTexts();
    const paths = described.map(({ at }) => at.slice(at.indexOf(' ') + 1));
    assert.deepEqual(shown.map(withoutBreaks).toSorted(), paths.toSorted());
  }
  assertAtEase();
});

test('what an operation takes and gives can be read', async () => {
  const page = await choose('admin');
  for (const [method, path, about] of [
    ['POST', '/{keyspace}/_bulk_docs', 'new_edits'],
    ['PUT', '/{db}/_config', 'allow_conflicts'],
  ] as const) {
    const block = operation(page, method, path);
    await block.locator('.opblock-summary-control').click();
    await block.getByText(about).first().waitFor();
    await block.getByText('Bad Request').first().waitFor();
  }
  assert.equal(await page.locator('.errors-wrapper').count(), 0);
  assertAtEase();
});

test('an operation that reads can be tried, one that writes cannot', async () => {
  const { public: clients, admin, metrics } = gateway;
  const urls = { public: clients, admin, metrics };
  const database = await createDatabase({ urls }, 'db', {});
  await request('PUT', `${database.admin}/doc`, { json: { text: 'größe' } });
  const page = await choose('admin');
  const read = operation(page, 'GET', '/{keyspace}/{docid}');
  const told = await tryOut(read, { keyspace: 'db', docid: 'doc', atts_since: ['1-ab'] });
  assert.match(told, /\b200\b.*"text": "größe"/s);
  const [method = '', url = ''] = tab.asked.at(-1)?.split(' ') ?? [];
  assert.deepEqual(
    [method, decodeURIComponent(url)],
    ['GET', `${database.admin}/doc?atts_since=["1-ab"]`],
  );

  const write = operation(page, 'PUT', '/{keyspace}/{docid}');
  await write.locator('.opblock-summary-control').click();
  await write.getByText('Responses').first().waitFor();
  assert.equal(await write.getByRole('button', { name: 'Try it out' }).count(), 0);
  assertAtEase();
});

/** Fills in the parameters, asks the gateway, and gives what the page shows of the answer. */
async function tryOut(
  block: Locator,
  parameters: Readonly<Record<string, string | readonly [string]>>,
): Promise<string> {
  await block.locator('.opblock-summary-control').click();
  await block.getByRole('button', { name: 'Try it out' }).click();
  for (const [name, value] of Object.entries(parameters)) {
    const row = block.locator(`tr[data-param-name="${name}"]`);
    if (typeof value !== 'string') await row.getByRole('button', { name: 'Add' }).click();
    await row.locator('input').fill(typeof value === 'string' ? value : value[0]);
  }
  await block.getByRole('button', { name: 'Execute' }).click();
  const answer = block.locator('.live-responses-table');
  await answer.waitFor();
  return answer.innerText();
}

/** The page breaks long paths by characters that nobody sees. */
function withoutBreaks(text: string): string {
  return text.replaceAll('\u200B', '');
}
