import path from 'node:path';
import type { Page } from 'playwright-core';
import { bundleForBrowser } from '../helpers/page-server.ts';
import type { Device, DeviceOptions } from './device.ts';

/** What `page.js` offers to the test outside. */
declare global {
  var openDevice: (options: DeviceOptions) => void;
  var askDevice: (
    method: string,
    args: readonly unknown[],
  ) => Promise<{ readonly value?: unknown; readonly error?: { readonly message: string } }>;
}

const METHODS = Object.keys({
  logIn: true,
  logOut: true,
  write: true,
  remove: true,
  get: true,
  attachment: true,
  pull: true,
  push: true,
  start: true,
  stop: true,
  state: true,
  untilState: true,
  destroy: true,
} satisfies Record<keyof Device, true>);

/** The program of a page in which a device can be opened. */
export function devicePage(): Promise<string> {
  return bundleForBrowser(path.join(import.meta.dirname, 'page.js'));
}

/** Opens a device in a page that runs that program; its store is the browser's IndexedDB. */
export async function openBrowserDevice(page: Page, options: DeviceOptions): Promise<Device> {
  await page.evaluate((given) => globalThis.openDevice(given), options);
  const methods = METHODS.map((method) => [
    method,
    async (...args: readonly unknown[]) => {
      const { value, error } = await page.evaluate(
        ([name, given]) => globalThis.askDevice(name, given),
        [method, args] as const,
      );
      if (error !== undefined) throw Object.assign(new Error(error.message), error);
      return value;
    },
  ]);
  return Object.fromEntries(methods) as Device;
}
