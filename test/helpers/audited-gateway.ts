import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { AUDIT_EVENTS } from '../../src/observability/audit/audit-events.ts';
import { startTestGateway } from './gateway.ts';
import type { TestGateway } from './gateway.ts';
import type { Answer, RequestOptions } from './http.ts';
import { request } from './http.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { until } from './until.ts';

/** A line of an audit log. */
export interface AuditLine {
  readonly id: number;
  readonly name: string;
  readonly description: string;
  readonly cid?: string;
  readonly db?: string;
  readonly ks?: string;
  readonly real_userid?: { readonly domain: string; readonly user: string };
  readonly http_method?: string;
  readonly http_path?: string;
  readonly http_status?: number;
  readonly doc_id?: string;
  readonly doc_version?: string;
  readonly attachment_id?: string;
  readonly payload?: string;
  readonly [field: string]: unknown;
}

/** A request in the log: `METHOD /path STATUS`, and what it told beside itself. */
export interface AuditedWork {
  readonly request: string;
  readonly told: readonly AuditLine[];
}

const ALL_EVENTS = Object.values(AUDIT_EVENTS).map(({ id }) => id);

/** Whole lines of the file. */
export async function auditLines(file: string): Promise<readonly AuditLine[]> {
  const text = await readFile(file, 'utf8');
  const whole = text.slice(0, text.lastIndexOf('\n') + 1).trimEnd();
  return whole.split('\n').map((line) => JSON.parse(line) as AuditLine);
}

/** A gateway with an audit log that tells all that the gateway itself may tell. */
export class AuditedGateway implements AsyncDisposable {
  readonly gateway: TestGateway;
  /** Of the log. */
  readonly file: string;
  readonly #open: AsyncDisposableStack;
  #marks = 0;

  private constructor(gateway: TestGateway, file: string, open: AsyncDisposableStack) {
    this.gateway = gateway;
    this.file = file;
    this.#open = open;
  }

  static async start(): Promise<AuditedGateway> {
    await using opening = new AsyncDisposableStack();
    const { path: folder } = opening.use(await temporaryFolder());
    const audit = { enabled: true, audit_log_file_path: folder, enabled_events: ALL_EVENTS };
    const gateway = opening.use(await startTestGateway({ logging: { audit } }));
    return new AuditedGateway(gateway, path.join(folder, 'audit.log'), opening.move());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#open.disposeAsync();
  }

  /** `line`: method and path. */
  send(
    port: 'public' | 'admin' | 'metrics',
    line: string,
    options: RequestOptions = {},
  ): Promise<Answer> {
    const [method = '', where = ''] = line.split(' ');
    return request(method, `${this.gateway[port]}${where}`, options);
  }

  /** The same on the admin port; it must succeed. */
  async admin(line: string, json?: unknown): Promise<Answer> {
    const answer = await this.send('admin', line, json === undefined ? {} : { json });
    assert.ok(answer.status < 300, `${line}: ${answer.text}`);
    return answer;
  }

  /** A database of which all is told, with the user ann, who has channel a. */
  async createDatabase(name: string, audit: object = {}): Promise<void> {
    const logging = { audit: { enabled: true, enabled_events: ALL_EVENTS, ...audit } };
    await this.admin(`PUT /${name}/`, { logging });
    await this.admin(`PUT /${name}/_user/ann`, { password: 'letmein', admin_channels: ['a'] });
  }

  lines(): Promise<readonly AuditLine[]> {
    return auditLines(this.file);
  }

  /** What is told while the work is done. */
  async during(work: () => Promise<unknown>): Promise<readonly AuditLine[]> {
    const before = await this.#mark();
    await work();
    const after = await this.#mark();
    const lines = await this.lines();
    return lines.slice(markedAt(lines, before) + 1, markedAt(lines, after));
  }

  /**
   * Its place in the log. Requests are told after they were answered, in order: when this one is
   * told, all before it were.
   */
  async #mark(): Promise<string> {
    const mark = `/mark${this.#marks++}`;
    await this.send('admin', `GET ${mark}`);
    return until('the mark', async () =>
      markedAt(await this.lines(), mark) < 0 ? undefined : mark,
    );
  }

  /** The same, request by request; each is told once. */
  async requestsOf(work: () => Promise<unknown>): Promise<readonly AuditedWork[]> {
    const byRequest = Map.groupBy(await this.during(work), ({ cid }) => cid);
    return [...byRequest.values()].map((all) => {
      const own = all.filter(({ http_path: where }) => where !== undefined);
      assert.equal(own.length, 1);
      const [{ http_method, http_path, http_status } = assert.fail()] = own;
      const told = all.filter((line) => !own.includes(line));
      for (const line of told) assertInWords(line);
      return { request: `${http_method} ${http_path} ${http_status}`, told };
    });
  }
}

function markedAt(lines: readonly AuditLine[], mark: string): number {
  return lines.findIndex(({ http_path: where }) => where === mark);
}

function assertInWords(line: AuditLine): void {
  const event = Object.values(AUDIT_EVENTS).find(({ id }) => id === line.id);
  assert.deepEqual([line.name, line.description], [event?.name, event?.description]);
}
