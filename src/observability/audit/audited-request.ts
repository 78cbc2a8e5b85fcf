import { AsyncLocalStorage } from 'node:async_hooks';
import type { Socket } from 'node:net';
import type { AuditSender } from './audit-selection.ts';

/** One end of a connection. */
export interface AuditedAddress {
  readonly ip: string;
  readonly port: string;
}

/** The request in which something happens: what its lines have in common. */
export interface AuditedRequest {
  /** The same in all lines of one request. */
  readonly cid: string;
  readonly local: AuditedAddress;
  readonly remote: AuditedAddress;
  /** Who sends it, as soon as that is known. */
  sender: AuditSender | undefined;
  /** The database that it names. */
  database: string | undefined;
  /** `database.scope.collection`, where it names one. */
  keyspace: string | undefined;
}

const requests = new AsyncLocalStorage<AuditedRequest>();

/** Runs the work of a request; whatever it brings about is told with it. */
export function inAuditedRequest<T>(cid: string, socket: Socket, work: () => T): T {
  const request: AuditedRequest = {
    cid,
    local: addressOf(socket.localAddress, socket.localPort),
    remote: addressOf(socket.remoteAddress, socket.remotePort),
    sender: undefined,
    database: undefined,
    keyspace: undefined,
  };
  return requests.run(request, work);
}

/** Undefined for what the gateway does by itself. */
export function auditedRequest(): AuditedRequest | undefined {
  return requests.getStore();
}

/** It is known who sends the request. */
export function auditSender(sender: AuditSender): void {
  const request = requests.getStore();
  if (request !== undefined) request.sender = sender;
}

/** It is known what the request is about. */
export function auditTarget(database: string | undefined, keyspace: string | undefined): void {
  const request = requests.getStore();
  if (request === undefined) return;
  request.database = database;
  request.keyspace = keyspace;
}

function addressOf(ip = '', port = 0): AuditedAddress {
  return { ip, port: String(port) };
}
