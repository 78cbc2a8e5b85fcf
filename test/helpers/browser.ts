import type { BrowserContext, Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import { temporaryFolder } from './temporary-folder.ts';

/** Debian's Chromium, without a window, driven over its DevTools protocol. */
export interface TestBrowser extends AsyncDisposable {
  /** A tab; it notes what its pages say and ask. */
  openTab(): Promise<Tab>;
}

export interface Tab {
  readonly page: Page;
  /** URLs that its pages have asked for, each with its method: `GET http://…`. */
  readonly asked: string[];
  /** What its pages complained about: errors on the console, and those that nobody caught. */
  readonly complaints: readonly string[];
}

const COMMAND = '/usr/bin/chromium';
const START_WITHIN_MS = 60_000;
/** The longest wait for a page, or something in it. */
const PAGE_WITHIN_MS = 60_000;

const FLAGS = [
  // NOTE: it would ask its maker for updates and accounts; so it finds no host but this one.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

/**
 * Starts one with a profile of its own, which is forgotten at the end; with `profile`, a folder,
 * that one is used and stays.
 */
export async function startBrowser(profile?: string): Promise<TestBrowser> {
  await using opening = new AsyncDisposableStack();
  const folder = profile ?? opening.use(await temporaryFolder()).path;
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: COMMAND,
    headless: true,
    // NOTE: its own sandbox does not run as root, and the pages are ours.
    chromiumSandbox: false,
    args: FLAGS,
    timeout: START_WITHIN_MS,
  });
  context.setDefaultTimeout(PAGE_WITHIN_MS);
  opening.defer(() => context.close());
  const open = opening.move();
  return {
    openTab: () => openTab(context),
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

async function openTab(context: BrowserContext): Promise<Tab> {
  const page = await context.newPage();
  const asked: string[] = [];
  const complaints: string[] = [];
  page.on('request', (request) => asked.push(`${request.method()} ${request.url()}`));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (cause) => complaints.push(cause.message));
  return { page, asked, complaints };
}
