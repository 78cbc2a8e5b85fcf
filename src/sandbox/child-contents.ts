import type { SyncWriter } from './sandbox.ts';
import type { Limits } from './limits.ts';
import { OPERATIONS, type Item } from './wire.ts';

/** A compiled function, as its parent knows it. */
export interface FunctionRecord {
  /** Never given twice. */
  readonly id: number;
  readonly source: string;
  /** The longest call, ms; 0: the sandbox's own limit. */
  readonly timeoutMs: number;
}

interface HeldWriter {
  readonly slot: number;
  readonly functionId: number;
  readonly functionSlot: number;
  readonly bytes: number;
}

/**
 * What a child holds: functions and writers, each in a numbered slot, so that they are sent once.
 * The parent decides what goes when room is needed: what was used longest ago.
 */
export class ChildContents {
  readonly #limits: Limits;
  /** Function id → slot, the least recently used first. */
  readonly #functions = new Map<number, number>();
  /** Function id and writer key → slot, the least recently used first. */
  readonly #writers = new Map<string, HeldWriter>();
  readonly #freeFunctionSlots: number[] = [];
  readonly #freeWriterSlots: number[] = [];
  #writersBytes = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** The slot of a function; what must be sent before it is used is added to `items`. */
  functionSlot(record: FunctionRecord, items: Item[]): number {
    const held = this.#functions.get(record.id);
    if (held !== undefined) {
      this.#functions.delete(record.id);
      this.#functions.set(record.id, held);
      return held;
    }
    if (this.#functions.size >= this.#limits.functions) {
      const [oldest] = this.#functions.keys();
      if (oldest !== undefined) this.forget(oldest, items);
    }
    const slot = this.#freeFunctionSlots.pop() ?? this.#functions.size + 1;
    this.#functions.set(record.id, slot);
    items.push({ operation: OPERATIONS.define, slot, extra: 0, texts: [record.source] });
    return slot;
  }

  /** The slot of a writer in a function; 0 for none. As `functionSlot`, which is called before. */
  writerSlot(record: FunctionRecord, writer: SyncWriter | null, items: Item[]): number {
    if (writer === null) return 0;
    const key = `${record.id} ${writer.key}`;
    const held = this.#writers.get(key);
    if (held !== undefined) {
      this.#writers.delete(key);
      this.#writers.set(key, held);
      return held.slot;
    }
    const { name, roles, channels } = writer;
    const json = JSON.stringify({ name, roles, channels });
    const bytes = json.length + WRITER_BYTES_LEAST;
    for (const [oldKey, old] of this.#writers) {
      if (this.#writersBytes + bytes <= this.#limits.writersBytes) break;
      this.#dropWriter(oldKey, old);
      const { slot: extra, functionSlot: slot } = old;
      items.push({ operation: OPERATIONS.writer, slot, extra, texts: [''] });
    }
    const functionSlot = this.#functions.get(record.id) ?? 0;
    const slot = this.#freeWriterSlots.pop() ?? this.#writers.size + 1;
    this.#writers.set(key, { slot, functionId: record.id, functionSlot, bytes });
    this.#writersBytes += bytes;
    items.push({ operation: OPERATIONS.writer, slot: functionSlot, extra: slot, texts: [json] });
    return slot;
  }

  /** Forgets a function and its writers, where the child has it. */
  forget(id: number, items: Item[]): void {
    const slot = this.#functions.get(id);
    if (slot === undefined) return;
    this.#functions.delete(id);
    this.#freeFunctionSlots.push(slot);
    for (const [key, writer] of this.#writers)
      if (writer.functionId === id) this.#dropWriter(key, writer);
    items.push({ operation: OPERATIONS.forget, slot, extra: 0, texts: [] });
  }

  #dropWriter(key: string, writer: HeldWriter): void {
    this.#writers.delete(key);
    this.#writersBytes -= writer.bytes;
    this.#freeWriterSlots.push(writer.slot);
  }
}

/** What a writer without roles and channels costs in the child. */
const WRITER_BYTES_LEAST = 500;
