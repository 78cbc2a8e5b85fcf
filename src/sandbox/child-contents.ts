import type { SyncWriter } from './sandbox.ts';
import type { Limits } from './limits.ts';
import { hasSecondChance, type Used } from '../util/second-chance.ts';
import { OPERATIONS, type Item } from './wire.ts';

/** A compiled function, as its parent knows it. */
export interface FunctionRecord {
  /** Never given twice. */
  readonly id: number;
  readonly source: string;
  /** The longest call, ms; 0: the sandbox's own limit. */
  readonly timeoutMs: number;
}

interface Held extends Used {
  readonly slot: number;
}

interface HeldWriter extends Held {
  readonly functionId: number;
  readonly functionSlot: number;
  readonly bytes: number;
}

/**
 * What a child holds: functions and writers, each in a numbered slot, so that they are sent once.
 * The parent decides what goes when room is needed: the oldest, but that one that was used has a
 * second chance.
 */
export class ChildContents {
  readonly #limits: Limits;
  /** By function id. */
  readonly #functions = new Map<number, Held>();
  /** By function id and writer key. */
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
      held.isUsed = true;
      return held.slot;
    }
    for (const [oldId, old] of this.#functions) {
      if (this.#functions.size < this.#limits.functions) break;
      if (!hasSecondChance(this.#functions, oldId, old)) this.forget(oldId, items);
    }
    const slot = this.#freeFunctionSlots.pop() ?? this.#functions.size + 1;
    this.#functions.set(record.id, { slot, isUsed: false });
    items.push({ operation: OPERATIONS.define, slot, extra: 0, texts: [record.source] });
    return slot;
  }

  /** The slot of a writer in a function; 0 for none. As `functionSlot`, which is called before. */
  writerSlot(record: FunctionRecord, writer: SyncWriter | null, items: Item[]): number {
    if (writer === null) return 0;
    const key = `${record.id} ${writer.key}`;
    const held = this.#writers.get(key);
    if (held !== undefined) {
      held.isUsed = true;
      return held.slot;
    }
    const json = JSON.stringify(writer.describe());
    const bytes = json.length + WRITER_BYTES_LEAST;
    for (const [oldKey, old] of this.#writers) {
      if (this.#writersBytes + bytes <= this.#limits.writersBytes) break;
      if (hasSecondChance(this.#writers, oldKey, old)) continue;
      this.#dropWriter(oldKey, old);
      const { slot: extra, functionSlot: slot } = old;
      items.push({ operation: OPERATIONS.writer, slot, extra, texts: [''] });
    }
    const functionSlot = this.#functions.get(record.id)?.slot ?? 0;
    const slot = this.#freeWriterSlots.pop() ?? this.#writers.size + 1;
    this.#writers.set(key, { slot, functionId: record.id, functionSlot, bytes, isUsed: false });
    this.#writersBytes += bytes;
    items.push({ operation: OPERATIONS.writer, slot: functionSlot, extra: slot, texts: [json] });
    return slot;
  }

  /** Forgets a function and its writers, where the child has it. */
  forget(id: number, items: Item[]): void {
    const held = this.#functions.get(id);
    if (held === undefined) return;
    const { slot } = held;
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
